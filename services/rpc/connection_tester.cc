#include "services/rpc/connection_tester.h"

#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/base/wake_fd.h"

namespace covet::rpc {
namespace {

std::string TimeoutText(int64_t timeout_ms) {
  const int64_t seconds = (timeout_ms + 500) / 1000;
  if (seconds == 0) return absl::StrCat("Connection timeout after ", timeout_ms, " ms");
  return absl::StrCat("Connection timeout after ", seconds, seconds == 1 ? " second" : " seconds");
}

}  // namespace

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

  bool over() const { return cancelled_ || absl::Now() >= deadline_; }
  absl::Time deadline() const { return deadline_; }
  const Database& database() const { return database_; }

 private:
  absl::StatusOr<double> Connect() const {
    // Before libpq looks the name up, which takes no notice of either.
    if (cancelled_) return absl::CancelledError("cancelled");
    const absl::Time now = absl::Now();
    if (now >= deadline_) {
      return absl::ResourceExhaustedError("the time ran out before the database was tried");
    }
    const absl::Time until =
        std::min(deadline_, now + absl::Milliseconds(database_.connect_timeout_ms));
    const int64_t started_us = clock_.SteadyMicros();
    const auto connection = postgres::Connection::Open(database_.parameters, until, stop_);
    if (absl::IsDeadlineExceeded(connection.status())) {
      return absl::DeadlineExceededError(TimeoutText(absl::ToInt64Milliseconds(until - now)));
    }
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

ConnectionTester::ConnectionTester(const Options& options, size_t databases, const Clock& clock)
    : options_(options), clock_(clock) {
  for (size_t i = 0; i < databases * options_.max_running + 1; ++i) {
    threads_.emplace_back([this] { Run(); });
    pthread_setname_np(threads_.back().native_handle(), "db-test");
  }
}

ConnectionTester::~ConnectionTester() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    for (const auto& [database, queue] : queues_) {
      for (const JobPtr& job : queue.waiting) job->Cancel();
    }
    for (const JobPtr& job : ready_) job->Cancel();
    for (const JobPtr& job : running_) job->Cancel();
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

std::shared_ptr<backends::BackendCall> ConnectionTester::Test(const Database& database,
                                                              int64_t timeout_ms, Done done) {
  auto job = std::make_shared<Job>(database, clock_, timeout_ms, std::move(done));
  {
    std::lock_guard lock(mutex_);
    if (stopping_) return nullptr;
    Queue& queue = queues_[&database];
    if (queue.started < options_.max_running) {
      ++queue.started;
      ready_.push_back(job);
    } else {
      if (queue.waiting.size() >= options_.max_waiting) DropOver(&queue);
      if (queue.waiting.size() >= options_.max_waiting) return nullptr;
      queue.waiting.push_back(job);
    }
  }
  // All, for whichever takes this one may have been the one that watched the deadlines.
  wake_.notify_all();
  return job;
}

void ConnectionTester::DropOver(Queue* queue) {
  const auto over = std::stable_partition(queue->waiting.begin(), queue->waiting.end(),
                                          [](const JobPtr& job) { return !job->over(); });
  over_.insert(over_.end(), over, queue->waiting.end());
  queue->waiting.erase(over, queue->waiting.end());
}

absl::Time ConnectionTester::FirstDeadline() const {
  absl::Time first = absl::InfiniteFuture();
  for (const auto& [database, queue] : queues_) {
    for (const JobPtr& job : queue.waiting) first = std::min(first, job->deadline());
  }
  return first;
}

void ConnectionTester::Run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    for (auto& [database, queue] : queues_) DropOver(&queue);
    if (!over_.empty()) {
      const std::vector<JobPtr> over = std::exchange(over_, {});
      lock.unlock();
      for (const JobPtr& job : over) job->Run();
      lock.lock();
    } else if (!ready_.empty()) {
      const JobPtr job = std::move(ready_.front());
      ready_.pop_front();
      running_.push_back(job);
      lock.unlock();
      job->Run();
      lock.lock();
      running_.erase(std::find(running_.begin(), running_.end(), job));
      Queue& queue = queues_[&job->database()];
      if (queue.waiting.empty()) {
        --queue.started;
      } else {
        ready_.push_back(std::move(queue.waiting.front()));
        queue.waiting.pop_front();
      }
    } else if (stopping_) {
      return;
    } else if (const absl::Time first = FirstDeadline(); first != absl::InfiniteFuture()) {
      wake_.wait_until(lock, absl::ToChronoTime(first));
    } else {
      wake_.wait(lock);
    }
  }
}

}  // namespace covet::rpc
