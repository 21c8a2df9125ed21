#include "edge/session/upgrade.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/auth/credentials.h"
#include "common/base/string_map.h"
#include "common/errors/error.h"
#include "common/logging/audit.h"
#include "edge/session/refused_session.h"
#include "edge/session/session.h"

namespace covet::edge {
namespace {

constexpr std::string_view kPath = "/ws";

std::string_view PathOf(std::string_view target) { return target.substr(0, target.find('?')); }

std::string_view QueryOf(std::string_view target) {
  const size_t mark = target.find('?');
  return mark == std::string_view::npos ? std::string_view() : target.substr(mark + 1);
}

HttpResponse JsonResponse(int status, std::string_view error) {
  HttpResponse response;
  response.status = status;
  response.headers.emplace_back("Content-Type", "application/json");
  response.body = absl::StrCat("{\"error\":\"", ToAbsl(error), "\"}\n");
  return response;
}

// `wait_us` of 0 means that nobody knows when to come back.
UpgradeDecision Refuse(int status, std::string_view error, int64_t wait_us = 0) {
  UpgradeDecision decision;
  decision.refusal = JsonResponse(status, error);
  if (wait_us > 0) {
    decision.refusal->headers.emplace_back("Retry-After",
                                           absl::StrCat((wait_us + 999'999) / 1'000'000));
  }
  return decision;
}

bool OriginAllowed(const std::vector<std::string>& allowed, const HttpRequest& request) {
  const auto origin = request.Header("Origin");
  if (!origin || allowed.empty()) return true;
  return std::any_of(allowed.begin(), allowed.end(), [&](const std::string& candidate) {
    return absl::EqualsIgnoreCase(candidate, ToAbsl(*origin));
  });
}

auth::UpgradeCredentials CredentialsOf(const HttpRequest& request) {
  auth::UpgradeRequest upgrade;
  upgrade.query = QueryOf(request.target);
  for (const auto& [name, value] : request.headers) {
    const absl::string_view header = ToAbsl(name);
    if (absl::EqualsIgnoreCase(header, "Authorization")) {
      upgrade.authorization.push_back(value);
    } else if (absl::EqualsIgnoreCase(header, "X-API-Key")) {
      upgrade.api_key.push_back(value);
    } else if (absl::EqualsIgnoreCase(header, "Sec-WebSocket-Protocol")) {
      upgrade.subprotocols.push_back(value);
    }
  }
  return auth::ExtractCredentials(upgrade);
}

UpgradeDecision RefuseAttempt(const limits::AttemptDecision& attempt) {
  if (attempt.verdict == limits::AttemptVerdict::kBlocked) {
    return Refuse(403, "blocked", attempt.wait_us);
  }
  return Refuse(429, "too many attempts", std::max<int64_t>(attempt.wait_us, 1));
}

Refusal RefusalOf(const limits::AttemptDecision& attempt) {
  return attempt.verdict == limits::AttemptVerdict::kBlocked ? Refusal::kBlocked
                                                             : Refusal::kThrottled;
}

// Counts and records a refusal.
void Note(SessionThread& thread, const HttpRequest& request, Refusal refusal) {
  thread.counters().CountRefusal(refusal);
  audit::Record(audit::event::kConnectionRefused,
                {{"address", request.remote_address},
                 {"reason", kRefusalNames[static_cast<size_t>(refusal)]}});
}

}  // namespace

SessionUpgrade::SessionUpgrade(SessionShared& shared, std::vector<SessionThread*> threads)
    : shared_(shared), threads_(std::move(threads)) {}

UpgradeDecision SessionUpgrade::OnUpgrade(const HttpRequest& request) {
  if (PathOf(request.target) != kPath) return Refuse(404, "not found");
  SessionThread& thread = *threads_[request.thread_index];
  const SessionSettings& settings = thread.settings();
  if (shared_.draining.load(std::memory_order_relaxed)) {
    Note(thread, request, Refusal::kDraining);
    return Refuse(503, "draining", std::max<int64_t>(settings.drain_window_ms * 1000, 1));
  }
  if (!OriginAllowed(settings.allowed_origins, request)) {
    Note(thread, request, Refusal::kOrigin);
    return Refuse(403, "origin not allowed");
  }
  const limits::IpAddress address =
      limits::IpAddress::Parse(request.remote_address).value_or(limits::IpAddress());
  const limits::AttemptDecision attempt = shared_.attempts.Begin(address);
  if (!attempt.allowed()) {
    Note(thread, request, RefusalOf(attempt));
    return RefuseAttempt(attempt);
  }
  std::shared_ptr<void> slot = TakeSlot(settings.max_connections);
  if (slot == nullptr) {
    Note(thread, request, Refusal::kFull);
    return Refuse(503, "too many connections", 1);
  }
  return Accept(request, thread, address, std::move(slot));
}

UpgradeDecision SessionUpgrade::Accept(const HttpRequest& request, SessionThread& thread,
                                       const limits::IpAddress& address,
                                       std::shared_ptr<void> slot) {
  const auth::UpgradeCredentials shown = CredentialsOf(request);
  const absl::StatusOr<common::v1::Identity> identity =
      shown.status.ok() ? shared_.authenticator.Authenticate(shown.credentials)
                        : absl::StatusOr<common::v1::Identity>(shown.status);
  const limits::AttemptDecision attempt = identity.ok()
                                              ? shared_.attempts.Valid(identity->user_id(), address)
                                              : shared_.attempts.Failed(address);
  if (!attempt.allowed()) {
    Note(thread, request, RefusalOf(attempt));
    return RefuseAttempt(attempt);
  }
  UpgradeDecision decision;
  decision.subprotocol = std::string(shown.subprotocol);
  if (!identity.ok()) {
    const bool expired = CodeOf(identity.status()) == ErrorCode::kAuthExpired;
    Note(thread, request, expired ? Refusal::kAuthExpired : Refusal::kAuthFailed);
    decision.make_handler = [&thread, status = identity.status(),
                             slot](Connection& connection) -> std::shared_ptr<ConnectionHandler> {
      return std::make_shared<RefusedSession>(thread, connection, status, slot);
    };
    return decision;
  }
  std::string fingerprint;
  if (identity->service_account()) {
    fingerprint = auth::ApiKeyFingerprint(shown.credentials.api_key);
  }
  decision.make_handler = [&thread, identity = *identity, slot, fingerprint](
                              Connection& connection) -> std::shared_ptr<ConnectionHandler> {
    auto session = std::make_shared<Session>(thread, connection, identity, slot, fingerprint);
    session->Open();
    return session;
  };
  return decision;
}

HttpResponse SessionUpgrade::OnRequest(const HttpRequest& request) {
  if (PathOf(request.target) != kPath) return JsonResponse(404, "not found");
  if (request.method != "GET") {
    HttpResponse response = JsonResponse(405, "GET only");
    response.headers.emplace_back("Allow", "GET");
    return response;
  }
  HttpResponse response = JsonResponse(426, "this is a WebSocket");
  response.headers.emplace_back("Upgrade", "websocket");
  return response;
}

std::shared_ptr<void> SessionUpgrade::TakeSlot(int64_t max_connections) {
  const int64_t taken = shared_.connections.fetch_add(1, std::memory_order_relaxed);
  if (max_connections > 0 && taken >= max_connections) {
    shared_.connections.fetch_sub(1, std::memory_order_relaxed);
    return nullptr;
  }
  return std::shared_ptr<void>(&shared_.connections, [](void* connections) {
    static_cast<std::atomic<int64_t>*>(connections)->fetch_sub(1, std::memory_order_relaxed);
  });
}

}  // namespace covet::edge
