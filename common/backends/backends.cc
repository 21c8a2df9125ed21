#include <atomic>
#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "common/backends/backend.h"
#include "common/backends/backend_impl.h"
#include "common/metrics/metrics.h"

namespace covet::backends {
namespace {

using Clock = std::chrono::steady_clock;

// How late what waits may be.
constexpr std::chrono::milliseconds kTick(25);

class BackendsImpl final : public Backends, public BackendsThread {
 public:
  ~BackendsImpl() override { Stop(); }

  absl::Status Open(const std::map<std::string, config::v1::BackendConfig>& configs,
                    const Options& options) {
    for (const auto& [name, config] : configs) {
      auto backend = BackendImpl::Open(name, config, options, this);
      if (!backend.ok()) return backend.status();
      all_.push_back(backend->get());
      if (options.metrics != nullptr) Measure(**backend, options);
      backends_.emplace(name, *std::move(backend));
    }
    return absl::OkStatus();
  }

  void Start() override {
    thread_ = std::thread([this] { Run(); });
  }

  void Stop() override {
    if (std::exchange(stopped_, true)) return;
    stopping_.store(true);
    // Calls end on gRPC threads, and what waits between retries on ours.
    for (const auto& [name, backend] : backends_) backend->CancelAll();
    if (!thread_.joinable()) RunDue();
    for (const auto& [name, backend] : backends_) backend->AwaitIdle();
    {
      std::lock_guard lock(mutex_);
      idle_ = true;
    }
    became_idle_.notify_all();
    if (thread_.joinable()) thread_.join();
    queue_.Shutdown();
    void* tag;
    bool ok;
    while (queue_.Next(&tag, &ok)) {
    }
    metrics_.clear();
  }

  Backend* Find(std::string_view name) override {
    const auto it = backends_.find(name);
    return it == backends_.end() ? nullptr : it->second.get();
  }
  const std::vector<Backend*>& all() const override { return all_; }

  // BackendsThread.
  void PostAfter(int64_t delay_ms, std::function<void()> closure) override {
    std::lock_guard lock(mutex_);
    waiting_.emplace(Clock::now() + std::chrono::milliseconds(delay_ms), std::move(closure));
  }
  grpc::CompletionQueue* queue() override { return &queue_; }
  bool stopping() const override { return stopping_.load(); }

 private:
  void Run() {
    for (const auto& [name, backend] : backends_) backend->Watch();
    while (!WaitIdle()) {
      TakeEvents();
      RunDue();
      if (stopping()) continue;
      for (const auto& [name, backend] : backends_) backend->Tick();
    }
    RunDue();
  }

  // For one tick at most.
  bool WaitIdle() {
    std::unique_lock lock(mutex_);
    return became_idle_.wait_for(lock, kTick, [this] { return idle_; });
  }

  // What the queue has, without waiting in it: gRPC lets whoever waits in any queue read any
  // socket of the process, and then has to wake the thread that what was read is for.
  void TakeEvents() {
    void* tag;
    bool ok;
    const auto now = std::chrono::system_clock::now();
    while (queue_.AsyncNext(&tag, &ok, now) == grpc::CompletionQueue::GOT_EVENT) {
      BackendImpl::OnQueueEvent(tag, ok);
    }
  }

  void RunDue() {
    for (;;) {
      std::function<void()> closure;
      {
        std::lock_guard lock(mutex_);
        const auto first = waiting_.begin();
        if (first == waiting_.end() || (first->first > Clock::now() && !stopping())) return;
        closure = std::move(first->second);
        waiting_.erase(first);
      }
      closure();
    }
  }

  void Measure(const BackendImpl& backend, const Options& options) {
    const metrics::Labels labels = {{"role", options.role}, {"backend", backend.name()}};
    const auto gauge = [&](const char* name, const char* help,
                           double (*read)(const BackendState&)) {
      metrics_.push_back(options.metrics->AddCallbackGauge(
          name, help, labels, [&backend, read] { return read(backend.state()); }));
    };
    const auto counter = [&](const char* name, const char* help,
                             double (*read)(const BackendState&)) {
      metrics_.push_back(options.metrics->AddCallbackCounter(
          name, help, labels, [&backend, read] { return read(backend.state()); }));
    };
    gauge("covet_backend_connected", "1 while a channel to the backend is connected.",
          [](const BackendState& state) { return state.connected ? 1.0 : 0.0; });
    gauge("covet_backend_breaker_open", "1 while the backend is left alone after failures.",
          [](const BackendState& state) {
            return state.breaker == BreakerState::kClosed ? 0.0 : 1.0;
          });
    gauge("covet_backend_calls_in_flight", "Calls and streams that the backend has.",
          [](const BackendState& state) { return static_cast<double>(state.in_flight); });
    gauge("covet_backend_schema_generation",
          "Counts the schemas that the backend has had; 0 while none was found.",
          [](const BackendState& state) { return static_cast<double>(state.generation); });
    counter("covet_backend_refused_total",
            "Calls refused by the backend's concurrency limit or circuit breaker.",
            [](const BackendState& state) { return static_cast<double>(state.refused); });
    counter("covet_backend_retries_total", "Repeated attempts of idempotent methods.",
            [](const BackendState& state) { return static_cast<double>(state.retries); });
  }

  grpc::CompletionQueue queue_;
  std::map<std::string, std::unique_ptr<BackendImpl>, std::less<>> backends_;
  std::vector<Backend*> all_;
  std::vector<metrics::CallbackRegistration> metrics_;
  bool stopped_ = false;
  std::atomic<bool> stopping_{false};
  std::mutex mutex_;
  std::condition_variable became_idle_;
  bool idle_ ABSL_GUARDED_BY(mutex_) = false;  // Nothing is left for the thread.
  std::multimap<Clock::time_point, std::function<void()>> waiting_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Backends>> Backends::Create(
    const std::map<std::string, config::v1::BackendConfig>& configs, Options options) {
  auto backends = std::make_unique<BackendsImpl>();
  if (absl::Status status = backends->Open(configs, options); !status.ok()) return status;
  return backends;
}

}  // namespace covet::backends
