#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
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

// Tries connections to PostgreSQL, on a few threads of its own, for resolving a name may block.
// Thread-safe.
class ConnectionTester {
 public:
  // The milliseconds until the database took us in; UNAVAILABLE with libpq's words if it did not,
  // DEADLINE_EXCEEDED if the time ran out, CANCELLED. On one of the tester's threads.
  using Done = std::function<void(absl::StatusOr<double>)>;

  struct Options {
    size_t threads = 4;       // So many connections at once.
    size_t max_waiting = 64;  // Tests beyond it are refused.
  };

  ConnectionTester(const Options& options, const Clock& clock);
  // Cancels all tests and waits for their end.
  ~ConnectionTester();

  // `database` must outlive the test, which takes at most `timeout_ms`, waiting for a thread
  // included. Null, and `done` never runs, if too many wait.
  std::shared_ptr<backends::BackendCall> Test(const Database& database, int64_t timeout_ms,
                                              Done done);

 private:
  class Job;

  void Run();

  const Options options_;
  const Clock& clock_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::shared_ptr<Job>> waiting_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::shared_ptr<Job>> running_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_;
};

}  // namespace covet::rpc
