#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include <atomic>
#include <memory>
#include <utility>

#include "common/server/call.h"

namespace covet::server {

// One unary call in flight. Made by HandleUnary, ends itself.
class UnaryCall final : public grpc::ServerUnaryReactor {
 public:
  UnaryCall(const CallTools& tools, grpc::CallbackServerContext* context,
            std::string_view full_method)
      : scope_(tools, context, full_method) {}

  const CallScope& scope() const { return scope_; }
  // The first status counts; the call may be gone afterwards.
  void End(const absl::Status& status) { Finish(scope_.Finish(status)); }

  void OnDone() override { delete this; }

 private:
  ~UnaryCall() override = default;

  CallScope scope_;
};

// Ends a unary call: to be called once, from any thread, now or later. The request and the response
// are good until then. Copies end the same call; further calls do nothing. A call whose last copy
// goes unused ends as INTERNAL.
class UnaryDone {
 public:
  explicit UnaryDone(UnaryCall* call) : state_(std::make_shared<State>(call)) {}
  void operator()(const absl::Status& status) const { state_->End(status); }

 private:
  struct State {
    explicit State(UnaryCall* c) : call(c) {}
    ~State() { End(absl::InternalError("the call was dropped")); }
    void End(const absl::Status& status) {
      if (UnaryCall* ended = call.exchange(nullptr)) ended->End(status);
    }
    std::atomic<UnaryCall*> call;
  };
  std::shared_ptr<State> state_;
};

// Serves one unary call of a callback service: authenticates the caller, then runs
//   handler(const CallInfo&, const Request&, Response*, UnaryDone)
// which fills the response and calls `done`. It runs on a gRPC thread and must not block; CallInfo,
// too, is good until `done` is called. `full_method` is a literal, `/package.Service/Method`.
template <typename Request, typename Response, typename Handler>
grpc::ServerUnaryReactor* HandleUnary(const CallTools& tools, grpc::CallbackServerContext* context,
                                      std::string_view full_method, const Request* request,
                                      Response* response, Handler&& handler) {
  auto* call = new UnaryCall(tools, context, full_method);  // Deletes itself in OnDone.
  if (!call->scope().admission().ok()) {
    call->End(call->scope().admission());
  } else {
    std::forward<Handler>(handler)(call->scope().info(), *request, response, UnaryDone(call));
  }
  return call;
}

}  // namespace covet::server
