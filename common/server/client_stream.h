#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include <functional>
#include <memory>
#include <mutex>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "common/server/call.h"

namespace covet::server {

// The requests of one client-streaming call: reads one when it is asked to, ends the call once.
// Thread-safe.
template <typename Request, typename Response>
class ClientStream final : public std::enable_shared_from_this<ClientStream<Request, Response>> {
 public:
  // Runs on a gRPC thread and must not block. The message is good until the next Read; null when
  // the caller has ended its side or is gone.
  using ReadCallback = std::function<void(Request* message)>;

  // Made by HandleClientStream.
  ClientStream(const CallTools& tools, grpc::CallbackServerContext* context,
               std::string_view full_method, Response* response)
      : scope_(tools, context, full_method), response_(response) {}
  ClientStream(const ClientStream&) = delete;
  ClientStream& operator=(const ClientStream&) = delete;

  const CallInfo& info() const { return scope_.info(); }
  const absl::Status& admission() const { return scope_.admission(); }

  // One at a time. After End `read` is not run.
  void Read(ReadCallback read) {
    {
      std::lock_guard lock(mutex_);
      if (ended_) return;
      read_ = std::move(read);
      starting_ = true;
    }
    reactor_->StartRead(&message_);
    bool finish = false;
    {
      std::lock_guard lock(mutex_);
      starting_ = false;
      finish = std::exchange(finish_due_, false);
    }
    if (finish) Finish();
  }

  // Ends the call with this answer. The first one counts.
  void End(const absl::Status& status, Response response = {}) {
    {
      std::lock_guard lock(mutex_);
      if (std::exchange(ended_, true)) return;
      read_ = nullptr;
      status_ = status;
      if (response_ != nullptr) *response_ = std::move(response);
      if (starting_) {
        finish_due_ = true;
        return;
      }
    }
    Finish();
  }

  // Ends the call when the caller's credential ends. Once.
  void EndWithCredential() {
    scope_.OnCredentialEnd([weak = this->weak_from_this()](const absl::Status& status) {
      if (const auto stream = weak.lock()) stream->End(status);
    });
  }

  // The call's reactor, for the method to return. Once.
  grpc::ServerReadReactor<Request>* reactor() {
    reactor_ = new Reactor(this->shared_from_this());  // Deletes itself in OnDone.
    return reactor_;
  }

 private:
  class Reactor final : public grpc::ServerReadReactor<Request> {
   public:
    explicit Reactor(std::shared_ptr<ClientStream> stream) : stream_(std::move(stream)) {}
    void OnReadDone(bool ok) override { stream_->HandleRead(ok); }
    // A read under way ends without a message.
    void OnCancel() override {}
    void OnDone() override { delete this; }

   private:
    ~Reactor() override = default;
    const std::shared_ptr<ClientStream> stream_;
  };

  void HandleRead(bool ok) {
    ReadCallback read;
    {
      std::lock_guard lock(mutex_);
      read = std::exchange(read_, nullptr);
    }
    if (read) read(ok ? &message_ : nullptr);
  }

  // gRPC is called without the lock, and never while it starts a read.
  void Finish() { reactor_->Finish(scope_.Finish(status_)); }

  CallScope scope_;
  Response* const response_;
  Reactor* reactor_ = nullptr;
  Request message_;
  std::mutex mutex_;
  ReadCallback read_ ABSL_GUARDED_BY(mutex_);
  bool starting_ ABSL_GUARDED_BY(mutex_) = false;
  bool finish_due_ ABSL_GUARDED_BY(mutex_) = false;
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status status_;  // Before Finish.
};

// Serves one client-streaming call, for as long as the caller's credential holds: authenticates the
// caller, then runs
//   handler(std::shared_ptr<ClientStream<Request, Response>>)
// on a gRPC thread; it must not block. Whoever keeps the stream must end it.
template <typename Request, typename Response, typename Handler>
grpc::ServerReadReactor<Request>* HandleClientStream(const CallTools& tools,
                                                     grpc::CallbackServerContext* context,
                                                     std::string_view full_method,
                                                     Response* response, Handler&& handler) {
  auto stream =
      std::make_shared<ClientStream<Request, Response>>(tools, context, full_method, response);
  auto* reactor = stream->reactor();
  if (!stream->admission().ok()) {
    stream->End(stream->admission());
  } else {
    stream->EndWithCredential();
    std::forward<Handler>(handler)(std::move(stream));
  }
  return reactor;
}

}  // namespace covet::server
