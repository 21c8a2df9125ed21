#include "common/server/call.h"

#include <grpcpp/server_context.h>

#include <algorithm>
#include <utility>

#include "common/base/clock.h"
#include "common/base/id_generator.h"
#include "common/errors/error.h"
#include "common/errors/grpc_errors.h"
#include "common/logging/audit.h"
#include "common/logging/log.h"
#include "common/server/call_metrics.h"

namespace covet::server {
namespace {

constexpr size_t kMaxCorrelationIdChars = 128;

std::string CorrelationId(const grpc::CallbackServerContext& context, IdGenerator& ids) {
  const auto it = context.client_metadata().find(kCorrelationIdKey);
  if (it != context.client_metadata().end() && !it->second.empty() &&
      it->second.size() <= kMaxCorrelationIdChars &&
      std::all_of(it->second.begin(), it->second.end(),
                  [](char c) { return c > ' ' && c < 0x7F; })) {
    return std::string(it->second.data(), it->second.size());
  }
  return ids.NewId("cor_");
}

void RecordRefusal(const CallInfo& call, const grpc::Status& status) {
  // The peer that a user came in by tells of what is refused to the user.
  if (call.caller.peer && !call.caller.identity.user_id().empty()) return;
  ErrorDetails details = DetailsOf(FromGrpcStatus(status));
  if (details["action"].empty()) {
    details["action"] = "grpc:call";
    details["resource"] = call.full_method;
  }
  const std::string& reason = details["reason"];
  audit::Record(audit::event::kPermissionDenied,
                {{"user_id", call.caller.identity.user_id()},
                 {"method", call.full_method},
                 {"action", details["action"]},
                 {"resource", details["resource"]},
                 {"reason", reason.empty() ? status.error_message() : reason},
                 {"correlation_id", call.correlation_id}});
}

}  // namespace

CallScope::CallScope(const CallTools& tools, grpc::CallbackServerContext* context,
                     std::string_view full_method)
    : tools_(tools), started_us_(tools.clock->SteadyMicros()) {
  info_.full_method = full_method;
  info_.correlation_id = CorrelationId(*context, *tools.ids);
  context->AddInitialMetadata(kCorrelationIdKey, info_.correlation_id);
  auto caller = tools.authenticator->Authenticate(*context, full_method);
  if (caller.ok()) {
    info_.caller = *std::move(caller);
    return;
  }
  admission_ = caller.status();
  audit::Record(
      audit::event::kCallRefused,
      {{"address", context->peer()},
       {"method", full_method},
       {"reason", std::string_view(admission_.message().data(), admission_.message().size())},
       {"correlation_id", info_.correlation_id}});
}

void CallScope::OnCredentialEnd(std::function<void(absl::Status)> end) {
  open_ = tools_.open_calls->Add(info_.caller, std::move(end));
}

grpc::Status CallScope::Finish(const absl::Status& status) {
  return FinishWith(ToGrpcStatus(status));
}

grpc::Status CallScope::FinishWith(grpc::Status result) {
  const double seconds = static_cast<double>(tools_.clock->SteadyMicros() - started_us_) * 1e-6;
  tools_.metrics->Record(info_.full_method, static_cast<int>(result.error_code()), seconds);
  if (result.error_code() == grpc::StatusCode::PERMISSION_DENIED) {
    RecordRefusal(info_, result);
  }
  const bool broken = result.error_code() == grpc::StatusCode::INTERNAL ||
                      result.error_code() == grpc::StatusCode::UNKNOWN;
  const log::Level level = broken ? log::Level::kError : log::Level::kDebug;
  if (log::Enabled(level)) {
    log::Write(level, "grpc_call",
               {{"method", info_.full_method},
                {"code", static_cast<int>(result.error_code())},
                {"error", result.error_message()},
                {"seconds", seconds},
                {"user_id", info_.caller.identity.user_id()},
                {"peer", info_.caller.peer_role},
                {"session_id", info_.caller.identity.session_id()},
                {"correlation_id", info_.correlation_id}});
  }
  return result;
}

}  // namespace covet::server
