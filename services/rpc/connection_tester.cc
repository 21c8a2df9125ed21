#include "services/rpc/connection_tester.h"

#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <utility>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "common/base/wake_fd.h"

namespace covet::rpc {

// One test.
class ConnectionTester::Job final : public backends::BackendCall {
 public:
  Job(const Database& database, const Clock& clock, int64_t timeout_ms, Done done)
      : database_(database),
        clock_(clock),
        deadline_(absl::Now() + absl::Milliseconds(timeout_ms)),
        done_(std::move(done)) {}

  void Cancel() override {
    cancelled_ = true;
    stop_.Wake();
  }

  void Run() { done_(Connect()); }

 private:
  absl::StatusOr<double> Connect() const {
    // Before libpq looks the name up, which takes no notice of either.
    if (cancelled_) return absl::CancelledError("cancelled");
    if (absl::Now() >= deadline_) return absl::DeadlineExceededError("the time ran out");
    const int64_t started_us = clock_.SteadyMicros();
    const auto connection = postgres::Connection::Open(database_.parameters, deadline_, stop_);
    if (!connection.ok()) return connection.status();
    return static_cast<double>(clock_.SteadyMicros() - started_us) * 1e-3;
  }

  const Database& database_;
  const Clock& clock_;
  const absl::Time deadline_;
  const Done done_;
  std::atomic<bool> cancelled_{false};
  WakeFd stop_;
};

ConnectionTester::ConnectionTester(const Options& options, const Clock& clock)
    : options_(options), clock_(clock) {
  for (size_t i = 0; i < options_.threads; ++i) {
    threads_.emplace_back([this] { Run(); });
    pthread_setname_np(threads_.back().native_handle(), "db-test");
  }
}

ConnectionTester::~ConnectionTester() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    for (const auto& job : waiting_) job->Cancel();
    for (const auto& job : running_) job->Cancel();
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

std::shared_ptr<backends::BackendCall> ConnectionTester::Test(const Database& database,
                                                              int64_t timeout_ms, Done done) {
  auto job = std::make_shared<Job>(database, clock_, timeout_ms, std::move(done));
  {
    std::lock_guard lock(mutex_);
    if (stopping_ || waiting_.size() >= options_.max_waiting) return nullptr;
    waiting_.push_back(job);
  }
  wake_.notify_one();
  return job;
}

void ConnectionTester::Run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
    // What still waits at the end has been cancelled, and ends here as well.
    if (waiting_.empty()) return;
    const std::shared_ptr<Job> job = std::move(waiting_.front());
    waiting_.pop_front();
    running_.push_back(job);
    lock.unlock();
    job->Run();
    lock.lock();
    running_.erase(std::find(running_.begin(), running_.end(), job));
  }
}

}  // namespace covet::rpc
