#include "services/rpc/calls.h"

#include <string>
#include <utility>

#include "common/backends/status_details.h"
#include "common/errors/error.h"
#include "common/logging/log.h"
#include "services/rpc/errors.h"

namespace covet::rpc {
namespace {

using backends::CallDone;
using backends::CallError;
using backends::CallResult;

// What the log tells of a call at its end.
struct LogEntry {
  std::string user_id;
  std::string session_id;
  std::string method;
  std::string correlation_id;
};

void LogCall(const LogEntry& entry, const MethodPtr& method, std::string_view code,
             std::string_view error, double seconds) {
  log::Debug("rpc_call", {{"user_id", entry.user_id},
                          {"session_id", entry.session_id},
                          {"method", entry.method},
                          {"backend", method->backend},
                          {"code", code.empty() ? "OK" : code},
                          {"error", error},
                          {"seconds", seconds},
                          {"correlation_id", entry.correlation_id}});
}

}  // namespace

Calls::Calls(const Options& options, const Clock& clock, const Snapshot<policy::Policy>& policy,
             RpcMetrics& metrics)
    : max_concurrency_(options.max_concurrency),
      max_bytes_(options.max_bytes),
      clock_(clock),
      policy_(policy),
      metrics_(metrics),
      methods_(std::make_shared<const MethodRegistry>()) {}

bool Calls::MayCall(const common::v1::Identity& caller, std::string_view method) const {
  return policy_.Get()->Allows(caller, policy::Action::kRpcCall, method);
}

std::shared_ptr<backends::BackendCall> Calls::Start(const CallRequest& request, CallDone done) {
  const auto refuse = [&](CallError error) {
    metrics_.CountRefused(error.code);
    done(std::move(error));
    return nullptr;
  };
  if (!MayCall(request.identity, request.method)) {
    return refuse(backends::FromStatus(MayNotCall(request.method)));
  }
  const std::shared_ptr<const MethodRegistry> methods = methods_.Get();
  const MethodPtr* found = methods->Find(request.method);
  if (found != nullptr && !MayCall(request.identity, (*found)->permission_name())) {
    return refuse(backends::FromStatus(MayNotCall((*found)->permission_name())));
  }
  if (found == nullptr) {
    if (const std::string* backend = methods->Awaited(request.method); backend != nullptr) {
      return refuse(MakeCallError(ErrorCode::kUnavailable, "the backend was not reached yet",
                                  {{"reason", "BACKEND_NOT_REACHED"}, {"backend", *backend}}));
    }
    return refuse(MakeCallError(ErrorCode::kMethodNotFound, "no such method",
                                {{"method", std::string(request.method)}}));
  }
  if (draining_.load(std::memory_order_relaxed)) {
    return refuse(MakeCallError(ErrorCode::kUnavailable, "the rpc service is draining",
                                {{"reason", "DRAINING"}}));
  }
  const size_t max_bytes = max_bytes_.load(std::memory_order_relaxed);
  if (request.params.size() > max_bytes) {
    return refuse(TooLarge("params", request.params.size(), max_bytes));
  }
  if (in_flight_.fetch_add(1, std::memory_order_relaxed) > max_concurrency_) {
    End();
    return refuse(MakeCallError(ErrorCode::kUnavailable, "too many calls at once",
                                {{"reason", "OVERLOADED"}}));
  }
  (*found)->metrics->Begin();
  std::unique_ptr<LogEntry> entry;
  if (log::Enabled(log::Level::kDebug)) {
    entry = std::make_unique<LogEntry>(
        LogEntry{request.identity.user_id(), request.identity.session_id(),
                 std::string(request.method), std::string(request.correlation_id)});
  }
  return (*found)->Call(request, [this, method = *found, started_us = clock_.SteadyMicros(),
                                  entry = std::shared_ptr<const LogEntry>(std::move(entry)),
                                  done = std::move(done)](CallResult result) {
    if (const auto* json = std::get_if<std::string>(&result);
        json != nullptr && json->size() > max_bytes_.load(std::memory_order_relaxed)) {
      result = TooLarge("result", json->size(), max_bytes_.load(std::memory_order_relaxed));
    }
    const auto* error = std::get_if<CallError>(&result);
    const double seconds = static_cast<double>(clock_.SteadyMicros() - started_us) * 1e-6;
    const std::string_view code = error == nullptr ? std::string_view() : error->code;
    method->metrics->End(code, seconds);
    if (entry != nullptr) {
      LogCall(*entry, method, code, error == nullptr ? "" : error->message, seconds);
    }
    done(std::move(result));
    End();
  });
}

CallError Calls::TooLarge(std::string_view what, size_t size, size_t limit) {
  return MakeCallError(ErrorCode::kMessageTooLarge,
                       std::string("the ").append(what).append(" is too large"),
                       {{"field", std::string(what)},
                        {"limit", std::to_string(limit)},
                        {"size", std::to_string(size)}});
}

void Calls::Drain(std::function<void()> idle) {
  idle_ = std::move(idle);
  draining_ = true;
  End();
}

void Calls::End() {
  if (in_flight_.fetch_sub(1, std::memory_order_acq_rel) == 1) idle_();
}

}  // namespace covet::rpc
