#include "common/server/keep_warm.h"

#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

namespace covet::server {

class KeepWarm::Impl {
 public:
  Impl(grpc::Server& server, int64_t interval_ms)
      : channel_(server.InProcessChannel({})),
        stub_(channel_),
        interval_(interval_ms),
        thread_([this] { Run(); }) {}

  ~Impl() {
    {
      std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }

 private:
  // One call at a time; its members live until it is done.
  struct Call {
    grpc::ClientContext context;
    grpc::Slice nothing;
    grpc::ByteBuffer request{&nothing, 1};  // Asks for the server as a whole.
    grpc::ByteBuffer response;
  };

  void Run() {
    std::unique_lock lock(mutex_);
    while (!changed_.wait_for(lock, interval_, [this] { return stopping_; })) {
      if (call_) continue;
      call_ = std::make_unique<Call>();
      call_->context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(1));
      Call* call = call_.get();
      lock.unlock();
      stub_.UnaryCall(&call->context, "/grpc.health.v1.Health/Check", grpc::StubOptions(),
                      &call->request, &call->response, [this](grpc::Status) { OnDone(); });
      lock.lock();
    }
    changed_.wait(lock, [this] { return call_ == nullptr; });
  }

  void OnDone() {
    std::lock_guard lock(mutex_);
    call_.reset();
    changed_.notify_all();
  }

  const std::shared_ptr<grpc::Channel> channel_;
  grpc::GenericStub stub_;
  const std::chrono::milliseconds interval_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool stopping_ = false;
  std::unique_ptr<Call> call_;
  std::thread thread_;
};

KeepWarm::KeepWarm(grpc::Server& server, int64_t interval_ms)
    : impl_(std::make_unique<Impl>(server, interval_ms)) {}
KeepWarm::~KeepWarm() = default;

}  // namespace covet::server
