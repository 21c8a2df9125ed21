#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "common/base/clock.h"
#include "common/base/id_generator.h"
#include "common/eventlog/event_log.h"

namespace covet::eventlog {

// What happens inside, for metrics. Calls come from the log's own threads, must be quick and
// thread-safe.
class SqliteLogObserver {
 public:
  struct Commit {
    int64_t operations =
        0;  // That the commit acknowledged; those that failed or were refused left out.
    int64_t records = 0;       // Appended.
    int64_t bytes = 0;         // Of those records.
    int64_t duration_us = 0;   // From taking the operations off the queue to the end of the fsync.
    int64_t queued_bytes = 0;  // Waiting behind this commit.
    int64_t wal_bytes = 0;
  };
  struct Read {
    int64_t records = 0;
    int64_t duration_us = 0;
  };
  struct Checkpoint {
    int64_t wal_bytes = 0;  // Of the write-ahead log when it began.
    int64_t duration_us = 0;
    bool forced = false;  // The WAL reached its bound; the writer was not idle.
  };

  virtual ~SqliteLogObserver() = default;
  virtual void OnCommit(const Commit&) {}
  virtual void OnRead(const Read&) {}
  virtual void OnCheckpoint(const Checkpoint&) {}
  // A full queue turned a call away. On the caller's thread.
  virtual void OnRefusedWrite() {}
  // The disk began to refuse writes, or takes them again.
  virtual void OnDiskFull(bool /*full*/) {}
  virtual void OnRefusedRead() {}
};

struct SqliteOptions {
  // Made if missing. Must be on a local disk: SQLite's WAL needs shared memory and honest fsyncs.
  std::string directory;
  // Files are <name>.db (with -wal and -shm), <name>.lock, <name>.instance.
  std::string name = "events";

  // Bounds of the queues; beyond them calls get RESOURCE_EXHAUSTED. At most 512 MiB.
  int64_t queue_bytes = int64_t{64} << 20;
  int64_t waiting_reads = 4096;
  int reader_threads = 1;

  // An idle writer empties the WAL once it holds this much, and a busy one at `max_wal_bytes`.
  int64_t idle_checkpoint_bytes = int64_t{4} << 20;
  int64_t max_wal_bytes = int64_t{64} << 20;
  // What must stay free of the disk: below it Create, Append and Put are refused, so that what
  // makes room can still be written.
  int64_t min_free_bytes = int64_t{16} << 20;
  // States of logs kept in memory, about 300 bytes each; an append to another one reads the
  // database first.
  int32_t cached_logs = 65536;

  // Borrowed; they outlive the log. `observer` may be null.
  IdGenerator* ids = &SystemIds();
  const Clock* clock = &SystemClock();
  SqliteLogObserver* observer = nullptr;
  // Called on the writer thread when a commit failed; the process is aborted if it returns. By
  // default the message goes to stderr.
  std::function<void(std::string_view message)> fatal;
};

// An EventLog in one SQLite file.
//
// One thread writes: it commits all that queued up during the last commit (synchronous=FULL, no
// timer), so a lone append waits for one fsync and a burst shares it. Reads run on their own
// threads and connections, in order per thread, none beyond the snapshot it began with.
//
// FAILED_PRECONDITION if another process (or this one) has the directory open, or if the file was
// made by a newer version or another program; DATA_LOSS if it is damaged.
//
// A database that was restored or copied from elsewhere may lack records that clients have seen, so
// all its logs get new epochs when it is opened. It is recognised by <name>.instance: see
// instance_mark.h.
absl::StatusOr<std::unique_ptr<EventLog>> OpenSqliteEventLog(SqliteOptions options);

}  // namespace covet::eventlog
