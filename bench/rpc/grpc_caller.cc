#include <grpcpp/grpcpp.h>

#include <condition_variable>
#include <mutex>
#include <thread>

#include "bench/load/swarm.h"
#include "bench/rpc/caller.h"
#include "bench/rpc/message.h"
#include "echo.grpc.pb.h"

namespace covet::bench {
namespace {

class GrpcCaller final : public Caller {
 public:
  explicit GrpcCaller(const std::string& address)
      : stub_(::bench::v1::EchoService::NewStub(
            grpc::CreateChannel(address, grpc::InsecureChannelCredentials()))),
        request_(SampleMessage()) {}

  CallFigures Run(const CallShape& shape, absl::Duration warmup, absl::Duration interval,
                  const std::function<void()>& begin, const std::function<void()>& end) override {
    figures_ = {};
    recording_ = false;
    stopping_ = false;
    closed_loop_ = shape.rate <= 0;
    std::thread schedule;
    if (closed_loop_) {
      for (int i = 0; i < shape.in_flight; ++i) Start(MonotonicNanos());
    } else {
      schedule = std::thread([this, rate = shape.rate] { RunSchedule(rate); });
    }
    std::this_thread::sleep_for(absl::ToChronoNanoseconds(warmup));
    begin();
    Set([this] { recording_ = true; });
    std::this_thread::sleep_for(absl::ToChronoNanoseconds(interval));
    Set([this] { recording_ = false; });
    end();
    Set([this] { stopping_ = true; });
    if (schedule.joinable()) schedule.join();
    std::unique_lock lock(mutex_);
    quiet_.wait(lock, [this] { return under_way_ == 0; });
    return figures_;
  }

 private:
  struct Call {
    grpc::ClientContext context;
    ::bench::v1::EchoMessage request;
    ::bench::v1::EchoMessage response;
    uint64_t due_ns;
    bool counted;
  };

  template <typename Change>
  void Set(Change change) {
    const std::lock_guard lock(mutex_);
    change();
  }

  void RunSchedule(double rate) {
    const double step_ns = 1e9 / rate;
    auto due = static_cast<double>(MonotonicNanos());
    for (;;) {
      due += step_ns;
      const auto due_ns = static_cast<uint64_t>(due);
      const timespec until{static_cast<time_t>(due_ns / 1'000'000'000),
                           static_cast<long>(due_ns % 1'000'000'000)};
      clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr);
      if (!Start(due_ns)) return;
    }
  }

  bool Start(uint64_t due_ns) {
    auto* call = new Call;
    call->request = request_;
    call->due_ns = due_ns;
    {
      const std::lock_guard lock(mutex_);
      if (stopping_) {
        delete call;
        return false;
      }
      ++under_way_;
      call->counted = recording_;
      call->request.set_id(static_cast<int64_t>(++sequence_));
    }
    stub_->async()->Echo(&call->context, &call->request, &call->response,
                         [this, call](const grpc::Status& status) { OnEnd(call, status); });
    return true;
  }

  void OnEnd(Call* call, const grpc::Status& status) {
    const uint64_t now = MonotonicNanos();
    const bool good = status.ok() && call->response.id() == call->request.id();
    bool next = false;
    {
      const std::lock_guard lock(mutex_);
      if (recording_ && call->counted) {
        ++figures_.calls;
        figures_.latency.Add(now - call->due_ns);
      }
      if (!good && figures_.errors++ == 0) figures_.first_error = status.error_message();
      next = closed_loop_ && !stopping_;
    }
    delete call;
    if (next) Start(MonotonicNanos());
    const std::lock_guard lock(mutex_);
    if (--under_way_ == 0) quiet_.notify_all();
  }

  const std::unique_ptr<::bench::v1::EchoService::Stub> stub_;
  const ::bench::v1::EchoMessage request_;
  std::mutex mutex_;
  std::condition_variable quiet_;
  CallFigures figures_;
  uint64_t sequence_ = 0;
  int under_way_ = 0;
  bool recording_ = false;
  bool stopping_ = false;
  bool closed_loop_ = true;
};

}  // namespace

std::unique_ptr<Caller> MakeGrpcCaller(const std::string& address) {
  return std::make_unique<GrpcCaller>(address);
}

}  // namespace covet::bench
