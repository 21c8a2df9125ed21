#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/backends/backend.h"
#include "common/base/clock.h"
#include "common/postgres/connection.h"

namespace covet::rpc {

// A PostgreSQL database as configured.
struct Database {
  std::string host;
  int port = 5432;
  std::string database;
  int64_t connect_timeout_ms = 10'000;
  postgres::Parameters parameters;  // All of them, the password too.
};

// Tries connections to PostgreSQL, on threads of its own, for resolving a name may block. Tests of
// one database never wait for those of another. Thread-safe.
class ConnectionTester {
 public:
  // The milliseconds until the database took us in; UNAVAILABLE with libpq's words if it did not,
  // DEADLINE_EXCEEDED, in words for people, if it did not in time, RESOURCE_EXHAUSTED if its turn
  // never came, CANCELLED. On one of the tester's threads.
  using Done = std::function<void(absl::StatusOr<double>)>;

  // For each database.
  struct Options {
    size_t max_running = 2;   // So many connections at once; further tests wait for their turn.
    size_t max_waiting = 64;  // Tests beyond it are refused.
  };

  // For tests of so many databases.
  ConnectionTester(const Options& options, size_t databases, const Clock& clock);
  // Cancels all tests and waits for their end.
  ~ConnectionTester();

  // `database` must outlive the tester. The test takes at most `timeout_ms`, waiting for its turn
  // included, and from then on at most the database's `connect_timeout_ms`. Null, and `done` never
  // runs, if too many wait.
  std::shared_ptr<backends::BackendCall> Test(const Database& database, int64_t timeout_ms,
                                              Done done);

 private:
  class Job;
  using JobPtr = std::shared_ptr<Job>;
  struct Queue {
    size_t started = 0;  // In `ready_` or running.
    std::deque<JobPtr> waiting;
  };

  void Run();
  // Moves what was cancelled, or whose time has passed, to `over_`.
  void DropOver(Queue* queue) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // When the first of those that wait has to be told that its time has passed.
  absl::Time FirstDeadline() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Options options_;
  const Clock& clock_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::map<const Database*, Queue> queues_ ABSL_GUARDED_BY(mutex_);
  std::deque<JobPtr> ready_ ABSL_GUARDED_BY(mutex_);
  std::vector<JobPtr> over_ ABSL_GUARDED_BY(mutex_);  // Ended without a try.
  std::vector<JobPtr> running_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  // One more than can run: whatever hangs, one is left to end those whose turn never came.
  std::vector<std::thread> threads_;
};

}  // namespace covet::rpc
