#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <utility>

#include "absl/base/thread_annotations.h"
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
  void EndWith(const grpc::Status& status) { Finish(scope_.FinishWith(status)); }

  void OnCancel() override {
    std::function<void()> cancelled;
    {
      std::lock_guard lock(mutex_);
      is_cancelled_ = true;
      cancelled = std::move(cancelled_);
    }
    if (cancelled) cancelled();
  }
  void OnDone() override { delete this; }

  // See UnaryDone::OnCancelled.
  void SetCancelled(std::function<void()> cancelled) {
    {
      std::lock_guard lock(mutex_);
      if (!is_cancelled_) {
        cancelled_ = std::move(cancelled);
        return;
      }
    }
    cancelled();
  }

 private:
  ~UnaryCall() override = default;

  CallScope scope_;
  std::mutex mutex_;
  bool is_cancelled_ ABSL_GUARDED_BY(mutex_) = false;
  std::function<void()> cancelled_ ABSL_GUARDED_BY(mutex_);
};

// Ends a unary call: to be called once, from any thread, now or later. The request and the response
// are good until then. Copies end the same call; further calls do nothing. A call whose last copy
// goes unused ends as INTERNAL.
class UnaryDone {
 public:
  explicit UnaryDone(UnaryCall* call) : state_(std::make_shared<State>(call)) {}
  void operator()(const absl::Status& status) const { state_->End(status); }
  // With a status whose details are another service's.
  void With(const grpc::Status& status) const { state_->EndWith(status); }
  // `cancelled` runs once if the caller cancels the call or its deadline passes before it has
  // ended: on a gRPC thread, or at once. The call still has to be ended. To be called by the
  // handler, before `done` can be, and once at most.
  void OnCancelled(std::function<void()> cancelled) const {
    if (UnaryCall* call = state_->call) call->SetCancelled(std::move(cancelled));
  }

 private:
  struct State {
    explicit State(UnaryCall* c) : call(c) {}
    ~State() { End(absl::InternalError("the call was dropped")); }
    void End(const absl::Status& status) {
      if (UnaryCall* ended = call.exchange(nullptr)) ended->End(status);
    }
    void EndWith(const grpc::Status& status) {
      if (UnaryCall* ended = call.exchange(nullptr)) ended->EndWith(status);
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
