#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace covet::eventlog {

// What a log keeps; 0 means no bound of that kind. A record goes when any bound says so.
struct Retention {
  int64_t max_age_ms = 0;
  int64_t max_count = 0;
  int64_t max_bytes = 0;
};

// How a log stands. Offsets are dense and begin at 1.
struct LogState {
  std::string epoch;         // Random text made with the log; new for a log that was recreated.
  int64_t first_offset = 1;  // The oldest kept; last_offset + 1 if none is.
  int64_t last_offset = 0;   // The newest committed; 0 if there never was one.
  int64_t bytes = 0;         // Of the records kept.
};

struct Record {
  int64_t offset = 0;
  int64_t time_ms = 0;  // As given to Append.
  std::string data;
};

struct ReadResult {
  LogState state;
  // Ascending and without holes. Empty where nothing lies after `after`.
  std::vector<Record> records;
};

struct Batch {
  std::string log_id;
  // Fences an owner that missed a recreation: FAILED_PRECONDITION if it differs.
  std::string epoch;
  int64_t first_offset = 0;  // last_offset + 1, given by the log's one owner: ABORTED if it is not.
  int64_t time_ms = 0;  // Wall clock of the append, milliseconds; never below the batch before it.
  // Shared with the caller's caches; never changed after the call.
  std::vector<std::shared_ptr<const std::string>> records;  // At least one.
  // In place of `records`, for owners that handle many at once: `encoded_count` records as
  // EncodeRecords (record_codec.h) writes them.
  std::shared_ptr<const std::string> encoded = nullptr;
  int64_t encoded_count = 0;
};

// Ordered, durable logs of opaque records, and a small table of values beside them.
//
// Every call returns at once; its callback runs exactly once, on a thread of the log's own
// choosing, and must not block. Writes (Create, Append, Trim, Delete, Put, Erase) commit in the
// order of their calls, and their callbacks run in that order. A callback with OK means: committed,
// survives `kill -9` and power loss. A commit or fsync that fails ends the process, for nothing
// after it can be trusted. Reads see every write whose callback has run. Thread-safe. The
// destructor commits what was accepted and runs every callback.
//
// A full disk: Create, Append and Put get an error that IsDiskFull knows, having changed nothing,
// until there is room again; nothing that was committed is lost. Others may get it too.
//
// The bound: writes wait in a queue of at most `queue_bytes` (the implementation's option); beyond
// it a write gets RESOURCE_EXHAUSTED at once, in order, having changed nothing. Waiting reads are
// bounded likewise. An empty id, key or batch is INVALID_ARGUMENT; a call from a callback that runs
// in the destructor may get UNAVAILABLE.
class EventLog {
 public:
  using StatusCallback = std::function<void(absl::Status)>;
  using StateCallback = std::function<void(absl::StatusOr<LogState>)>;
  using ReadCallback = std::function<void(absl::StatusOr<ReadResult>)>;
  using ScanCallback =
      std::function<void(absl::StatusOr<std::vector<std::pair<std::string, std::string>>>)>;

  virtual ~EventLog() = default;

  // Makes an empty log with a new epoch; answers the existing one's state if there is one.
  virtual void Create(std::string log_id, StateCallback done) = 0;
  // NOT_FOUND if there is no such log.
  virtual void Head(std::string log_id, StateCallback done) = 0;
  virtual void Append(Batch batch, StatusCallback done) = 0;
  // At most `limit` records with offset > `after`, and at most about `max_bytes` of data, but one
  // record at least. Where `after` + 1 < first_offset it begins at first_offset. NOT_FOUND without
  // such a log.
  virtual void Read(std::string log_id, int64_t after, int32_t limit, int64_t max_bytes,
                    ReadCallback done) = 0;
  // The records appended at `since_ms` or later (whole batches; a few older ones may come too),
  // newest last, at most `limit` of the newest. For rebuilding what an owner remembers.
  virtual void ReadSince(std::string log_id, int64_t since_ms, int32_t limit,
                         ReadCallback done) = 0;
  // Removes from the oldest end whatever `retention` no longer covers at `now_ms`, in bounded
  // steps: at most some thousand records go in one call. May keep the rest of a batch that was
  // appended as one. The newest offset is never forgotten.
  virtual void Trim(std::string log_id, Retention retention, int64_t now_ms,
                    StateCallback done) = 0;
  // Removes the log. A later Create gives a new epoch. OK if there is none.
  virtual void Delete(std::string log_id, StatusCallback done) = 0;

  // A durable table of small values, in the same write order as the logs.
  virtual void Put(std::string key, std::string value, StatusCallback done) = 0;
  virtual void Erase(std::string key, StatusCallback done) = 0;
  // At most `limit` pairs whose key begins with `prefix` and is greater than `after_key`, by key.
  virtual void Scan(std::string prefix, std::string after_key, int32_t limit,
                    ScanCallback done) = 0;
};

// Whether a call was refused because the disk is full.
bool IsDiskFull(const absl::Status& status);

}  // namespace covet::eventlog
