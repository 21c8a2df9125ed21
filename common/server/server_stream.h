#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "common/server/call.h"

namespace covet::server {

enum class StreamSend : uint8_t {
  kQueued,        // Below half of the queue's bound.
  kBackpressure,  // Queued, but the reader is behind.
  kRefused,       // Not queued: the bound is reached or the call is over.
};

// The responses of one server-streaming call: queues them, writes one at a time, ends the call
// once. Thread-safe.
//
// The bound: messages of at most `queue_bytes` wait, the one being written included; a message
// beyond it is refused and it is the sender's to end the call or to do without. One message is
// taken whatever its size.
template <typename Response>
class ServerStream final : public std::enable_shared_from_this<ServerStream<Response>> {
 public:
  static constexpr size_t kQueueBytes = 1 << 20;

  // Made by HandleServerStream.
  ServerStream(const CallTools& tools, grpc::CallbackServerContext* context,
               std::string_view full_method, size_t queue_bytes)
      : scope_(tools, context, full_method), queue_bytes_(queue_bytes) {}
  ServerStream(const ServerStream&) = delete;
  ServerStream& operator=(const ServerStream&) = delete;

  const CallInfo& info() const { return scope_.info(); }
  const absl::Status& admission() const { return scope_.admission(); }

  StreamSend Send(Response message) {
    StreamSend result = StreamSend::kQueued;
    {
      std::lock_guard lock(mutex_);
      const size_t bytes = message.ByteSizeLong();
      if (over_ || ending_ || (!queue_.empty() && queued_bytes_ + bytes > queue_bytes_)) {
        return StreamSend::kRefused;
      }
      queued_bytes_ += bytes;
      queue_.push_back({std::move(message), bytes});
      if (queued_bytes_ > queue_bytes_ / 2) result = StreamSend::kBackpressure;
    }
    Advance();
    return result;
  }

  // Ends the call once everything queued has been written. The first status counts.
  void End(absl::Status status) {
    {
      std::lock_guard lock(mutex_);
      if (ending_) return;
      ending_ = std::move(status);
    }
    Advance();
  }

  // Ends the call without what is queued; for a reader that is too slow.
  void Abort(absl::Status status) {
    {
      std::lock_guard lock(mutex_);
      if (!ending_) ending_ = std::move(status);
      DropQueue();
    }
    Advance();
  }

  // `closed` runs once when the call is over: it has ended, or the reader went away. On a gRPC
  // thread, or at once if it is over already. It must not block. To be called once at most.
  void OnClosed(std::function<void()> closed) {
    {
      std::lock_guard lock(mutex_);
      if (!over_) {
        closed_ = std::move(closed);
        return;
      }
    }
    closed();
  }

  // `drained` runs once, when everything that was sent has been given to gRPC: at once if it has
  // been, else on a gRPC thread. It must not block. One may wait at a time; it does not run once
  // the call is over.
  void OnDrained(std::function<void()> drained) {
    {
      std::lock_guard lock(mutex_);
      if (over_ || ending_) return;
      if (!queue_.empty()) {
        drained_ = std::move(drained);
        return;
      }
    }
    drained();
  }

  // Ends the call when the caller's credential ends. Once.
  void EndWithCredential() {
    scope_.OnCredentialEnd([weak = this->weak_from_this()](absl::Status status) {
      if (const auto stream = weak.lock()) stream->Abort(std::move(status));
    });
  }

  // The call's reactor, for the method to return. Once.
  grpc::ServerWriteReactor<Response>* reactor() {
    reactor_ = new Reactor(this->shared_from_this());  // Deletes itself in OnDone.
    return reactor_;
  }

 private:
  struct Entry {
    Response message;
    size_t bytes;
  };

  class Reactor final : public grpc::ServerWriteReactor<Response> {
   public:
    explicit Reactor(std::shared_ptr<ServerStream> stream) : stream_(std::move(stream)) {}
    void OnWriteDone(bool ok) override { stream_->HandleWriteDone(ok); }
    void OnCancel() override { stream_->HandleCancel(); }
    void OnDone() override {
      stream_->Close();
      delete this;
    }

   private:
    ~Reactor() override = default;
    const std::shared_ptr<ServerStream> stream_;
  };

  void HandleWriteDone(bool ok) {
    std::function<void()> drained;
    {
      std::lock_guard lock(mutex_);
      writing_ = false;
      queued_bytes_ -= queue_.front().bytes;
      queue_.pop_front();
      if (!ok) GiveUp();
      if (queue_.empty() && !ending_) drained = std::exchange(drained_, nullptr);
    }
    Advance();
    if (drained) drained();
  }

  void HandleCancel() {
    {
      std::lock_guard lock(mutex_);
      GiveUp();
    }
    Advance();
    Close();
  }

  // The reader is gone.
  void GiveUp() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (!ending_) ending_ = absl::CancelledError("the caller went away");
    DropQueue();
  }

  // All but the message that is being written, which must stay alive.
  void DropQueue() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    while (queue_.size() > (writing_ ? 1u : 0u)) {
      queued_bytes_ -= queue_.back().bytes;
      queue_.pop_back();
    }
  }

  // Starts the next write, or ends the call. gRPC is called without the lock: it may run a reaction
  // inside. The reactor lives while `writing_` is set and until Finish.
  void Advance() {
    const Response* next = nullptr;
    std::optional<absl::Status> finish;
    {
      std::lock_guard lock(mutex_);
      if (writing_ || finished_) return;
      if (!queue_.empty()) {
        writing_ = true;
        next = &queue_.front().message;
      } else if (ending_) {
        finished_ = true;
        finish = *ending_;
      }
    }
    if (next != nullptr) {
      reactor_->StartWrite(next);
    } else if (finish) {
      reactor_->Finish(scope_.Finish(*finish));
    }
  }

  void Close() {
    std::function<void()> closed;
    std::function<void()> drained;  // Goes without being run, outside the lock.
    {
      std::lock_guard lock(mutex_);
      over_ = true;
      closed = std::exchange(closed_, nullptr);
      drained = std::exchange(drained_, nullptr);
    }
    if (closed) closed();
  }

  CallScope scope_;
  const size_t queue_bytes_;
  Reactor* reactor_ = nullptr;
  std::mutex mutex_;
  std::deque<Entry> queue_ ABSL_GUARDED_BY(mutex_);
  size_t queued_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  std::optional<absl::Status> ending_ ABSL_GUARDED_BY(mutex_);
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
  bool over_ ABSL_GUARDED_BY(mutex_) = false;
  std::function<void()> closed_ ABSL_GUARDED_BY(mutex_);
  std::function<void()> drained_ ABSL_GUARDED_BY(mutex_);
};

// Serves one server-streaming call, for as long as the caller's credential holds: authenticates the
// caller, then runs
//   handler(const Request&, std::shared_ptr<ServerStream<Response>>)
// on a gRPC thread; it must not block. The request is good during the handler only. Whoever keeps
// the stream must end it; OnClosed tells when the caller went away.
template <typename Response, typename Request, typename Handler>
grpc::ServerWriteReactor<Response>* HandleServerStream(
    const CallTools& tools, grpc::CallbackServerContext* context, std::string_view full_method,
    const Request* request, Handler&& handler,
    size_t queue_bytes = ServerStream<Response>::kQueueBytes) {
  auto stream = std::make_shared<ServerStream<Response>>(tools, context, full_method, queue_bytes);
  auto* reactor = stream->reactor();
  if (!stream->admission().ok()) {
    stream->End(stream->admission());
  } else {
    stream->EndWithCredential();
    std::forward<Handler>(handler)(*request, std::move(stream));
  }
  return reactor;
}

}  // namespace covet::server
