#include "services/rpc/rpc_service.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "common/config/config.h"
#include "common/errors/error.h"
#include "common/payload/struct_json.h"
#include "common/server/unary_call.h"
#include "services/rpc/errors.h"

namespace covet::rpc {
namespace {

using backends::CallError;
using backends::CallResult;
using server::CallInfo;
using server::UnaryDone;

constexpr int64_t kDefaultTimeoutMs = 10'000;
constexpr int64_t kMaxTimeoutMs = 60'000;

int64_t UntilDeadlineMs(const grpc::CallbackServerContext& context) {
  const auto left = context.deadline() - std::chrono::system_clock::now();
  // Without a deadline it is the end of time.
  if (left > std::chrono::hours(1)) return kMaxTimeoutMs;
  return std::max<int64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(left).count(), 1);
}

absl::Status BadField(const char* field, std::string expected) {
  return MakeError(ErrorCode::kInvalidArgument, "bad request",
                   {{"field", field}, {"expected", std::move(expected)}});
}

// Cancels the call when the caller goes away. To be called before the call is started.
class CancelOnDemand {
 public:
  explicit CancelOnDemand(const UnaryDone& done) {
    done.OnCancelled([state = state_] {
      std::shared_ptr<backends::BackendCall> call;
      {
        std::lock_guard lock(state->mutex);
        state->cancelled = true;
        call = std::move(state->call);
      }
      if (call != nullptr) call->Cancel();
    });
  }
  void Started(std::shared_ptr<backends::BackendCall> call) {
    if (call == nullptr) return;
    {
      std::lock_guard lock(state_->mutex);
      if (!state_->cancelled) {
        state_->call = std::move(call);
        return;
      }
    }
    call->Cancel();
  }

 private:
  struct State {
    std::mutex mutex;
    bool cancelled ABSL_GUARDED_BY(mutex) = false;
    std::shared_ptr<backends::BackendCall> call ABSL_GUARDED_BY(mutex);
  };
  const std::shared_ptr<State> state_ = std::make_shared<State>();
};

void StartCall(Calls& calls, const grpc::CallbackServerContext& context, const CallInfo& info,
               const v1::CallRequest& asked, v1::CallResponse* out, const UnaryDone& done) {
  std::string params = "{}";
  if (asked.has_params()) {
    auto json = payload::PayloadToJson(asked.params());
    if (!json.ok() || payload::JsonKindOf(json->front()) != payload::JsonKind::kObject) {
      return done(BadField("params", "a JSON object"));
    }
    params = *std::move(json);
  }
  int64_t timeout_ms = kDefaultTimeoutMs;
  if (asked.has_timeout()) {
    timeout_ms = config::Millis(asked.timeout());
    if (timeout_ms < 1 || timeout_ms > kMaxTimeoutMs) {
      return done(BadField("timeout", "1 ms to 60 s"));
    }
  }
  CancelOnDemand cancel(done);
  cancel.Started(calls.Start({.identity = info.caller.identity,
                              .correlation_id = info.correlation_id,
                              .method = asked.method(),
                              .params = params,
                              .timeout_ms = std::min(timeout_ms, UntilDeadlineMs(context))},
                             [format = asked.payload_format(), out, done](CallResult result) {
                               if (const auto* error = std::get_if<CallError>(&result)) {
                                 return done.With(ToGrpcStatus(*error));
                               }
                               payload::JsonToPayload(std::get<std::string>(result), format,
                                                      out->mutable_result());
                               done(absl::OkStatus());
                             }));
}

// A built-in method by its gRPC name. `name` is what permissions are checked on.
template <typename Request, typename Response>
grpc::ServerUnaryReactor* CallBuiltin(
    const ServiceTools& tools, grpc::CallbackServerContext* context, std::string_view full_method,
    std::string_view name, const Request* request, Response* response,
    Builtin::Started (Builtin::*act)(const CallRequest&, const Request&, Builtin::Done<Response>)
        const) {
  return server::HandleUnary(
      tools.calls, context, full_method, request, response,
      [&](const CallInfo& info, const Request& asked, Response* out, const UnaryDone& done) {
        if (!tools.core.MayCall(info.caller.identity, name)) {
          return done(MayNotCall(name));
        }
        CancelOnDemand cancel(done);
        cancel.Started((tools.builtin.*act)(
            {.identity = info.caller.identity,
             .correlation_id = info.correlation_id,
             .method = name,
             .params = {},
             .timeout_ms = std::min(kDefaultTimeoutMs, UntilDeadlineMs(*context))},
            asked, [out, done](std::variant<Response, CallError> result) {
              if (const auto* error = std::get_if<CallError>(&result)) {
                return done.With(ToGrpcStatus(*error));
              }
              *out = std::get<Response>(std::move(result));
              done(absl::OkStatus());
            }));
      });
}

}  // namespace

grpc::ServerUnaryReactor* RpcService::Call(grpc::CallbackServerContext* context,
                                           const v1::CallRequest* request,
                                           v1::CallResponse* response) {
  return server::HandleUnary(
      tools_.calls, context, "/covet.rpc.v1.RpcService/Call", request, response,
      [&](const CallInfo& info, const v1::CallRequest& asked, v1::CallResponse* out,
          const UnaryDone& done) { StartCall(tools_.core, *context, info, asked, out, done); });
}

grpc::ServerUnaryReactor* RpcService::ListMethods(grpc::CallbackServerContext* context,
                                                  const v1::ListMethodsRequest* request,
                                                  v1::ListMethodsResponse* response) {
  return server::HandleUnary(
      tools_.calls, context, "/covet.rpc.v1.RpcService/ListMethods", request, response,
      [&](const CallInfo& info, const v1::ListMethodsRequest& asked, v1::ListMethodsResponse* out,
          const UnaryDone& done) {
        tools_.builtin.Methods(
            {.identity = info.caller.identity,
             .correlation_id = info.correlation_id,
             .method = "system.methods",
             .params = {},
             .timeout_ms = kDefaultTimeoutMs},
            asked, [out, done](std::variant<v1::ListMethodsResponse, CallError> result) {
              if (const auto* error = std::get_if<CallError>(&result)) {
                return done.With(ToGrpcStatus(*error));
              }
              *out = std::get<v1::ListMethodsResponse>(std::move(result));
              done(absl::OkStatus());
            });
      });
}

grpc::ServerUnaryReactor* SystemService::Ping(grpc::CallbackServerContext* context,
                                              const v1::PingRequest* request,
                                              v1::PingResponse* response) {
  return CallBuiltin(tools_, context, "/covet.rpc.v1.SystemService/Ping", "system.ping", request,
                     response, &Builtin::Ping);
}

grpc::ServerUnaryReactor* SystemService::Methods(grpc::CallbackServerContext* context,
                                                 const v1::ListMethodsRequest* request,
                                                 v1::ListMethodsResponse* response) {
  return CallBuiltin(tools_, context, "/covet.rpc.v1.SystemService/Methods", "system.methods",
                     request, response, &Builtin::Methods);
}

grpc::ServerUnaryReactor* DatabaseService::TestConnection(grpc::CallbackServerContext* context,
                                                          const v1::TestConnectionRequest* request,
                                                          v1::TestConnectionResponse* response) {
  return CallBuiltin(tools_, context, "/covet.rpc.v1.DatabaseService/TestConnection",
                     "database.test_connection", request, response, &Builtin::TestConnection);
}

}  // namespace covet::rpc
