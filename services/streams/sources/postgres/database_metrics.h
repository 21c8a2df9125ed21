#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "common/base/clock.h"
#include "common/base/wake_fd.h"
#include "common/postgres/connection.h"

namespace covet::streams::postgres {

// The numbers of a database that grow for ever.
struct DatabaseCounters {
  int64_t commits = 0;
  int64_t rollbacks = 0;
  int64_t blocks_read = 0;
  int64_t blocks_hit = 0;
  int64_t at_us = 0;  // Steady.
};

// Members of a record, each behind a comma, of the difference of two readings:
// transactions_per_second, rollbacks_per_second, and cache_hit_ratio (0 … 1) of what was read
// between them, or of all time where nothing was. The rates are missing without an earlier reading.
std::string RateMembers(const std::optional<DatabaseCounters>& before, const DatabaseCounters& now);

// Asks a database how it is, again and again, on a thread of its own from its making until its
// destruction:
//
//   "active_connections":12,"connections":{"active":12,"idle":3},"locks":40,"locks_waiting":0,
//   "transactions_per_second":310.2,"rollbacks_per_second":0,"cache_hit_ratio":0.993,
//   "database_size_bytes":8123456
//
// Connections are those of clients to that database, this one aside, by pg_stat_activity's state
// with `_` for spaces; where the user may not see others' states they are `unknown`. The size is
// asked for every 30 s. Thread-safe.
class DatabaseMetrics {
 public:
  DatabaseMetrics(config::v1::DatabaseConfig config, int64_t interval_ms, const Clock& clock);
  ~DatabaseMetrics();

  // The newest answer, each member behind a comma; empty if there is none of the last few
  // intervals.
  std::string Members() const;
  // Why there is none; OK before the first attempt has ended.
  absl::Status status() const;

 private:
  void Run();
  absl::Status AskAgainAndAgain();
  absl::StatusOr<std::string> Ask(covet::postgres::Connection& connection);
  absl::StatusOr<std::string> AskConnections(covet::postgres::Connection& connection);
  // False when it is to stop.
  bool Pause(int64_t ms) const;

  const config::v1::DatabaseConfig config_;
  const int64_t interval_ms_;
  const Clock& clock_;
  WakeFd stop_;
  mutable absl::Mutex mutex_;
  std::string members_ ABSL_GUARDED_BY(mutex_);
  int64_t members_at_ms_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::Status status_ ABSL_GUARDED_BY(mutex_);
  // On the thread.
  std::optional<DatabaseCounters> before_;
  int64_t size_bytes_ = -1;
  int64_t size_at_ms_ = 0;
  std::thread thread_;
};

}  // namespace covet::streams::postgres
