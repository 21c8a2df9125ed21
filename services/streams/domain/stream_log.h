#pragma once

#include <boost/container/deque.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/base/clock.h"
#include "common/base/executor.h"
#include "common/eventlog/dedup_index.h"
#include "common/eventlog/event_log.h"
#include "services/streams/domain/block_cache.h"
#include "services/streams/domain/record_buffer.h"

namespace covet::streams {

struct StreamLogOptions {
  eventlog::Retention retention;
  int64_t dedup_window_ms = 600'000;
  // Keys known at once; after a restart, those of as many of the newest records.
  size_t max_dedup_keys = 1'000'000;
  size_t cache_blocks = 8'192;
  size_t cache_bytes = 16 << 20;
  // Reads back where its source was. For logs on disk.
  bool keeps_position = false;
};

// What all logs of a process share. On the executor.
struct StreamLogEnvironment {
  const Clock& clock;
  Executor& executor;
  // Appends of publishers that wait for their commit; beyond the bound they get UNAVAILABLE.
  int64_t max_inflight_bytes = 64LL << 20;
  int64_t inflight_bytes = 0;
  int64_t gaps = 0;  // That sources told of.
  // Requests that wait for a log to be opened, for each log.
  size_t max_waiting_requests = 10'000;
};

// Where the records of one Append are.
struct Appended {
  int64_t first_offset = 0;      // Of those that are new; they are dense.
  int64_t appended = 0;          // How many are new.
  int64_t duplicates = 0;        // How many were known by their keys.
  std::vector<int64_t> offsets;  // Of all, where some were known; else empty.
};
using AppendCallback = std::function<void(absl::StatusOr<Appended>)>;

// A piece of the log.
struct StreamPage {
  std::string epoch;
  int64_t first_offset = 1;  // The oldest kept.
  int64_t head = 0;
  int64_t after = 0;                // Records at or below are not part of it.
  int64_t last_offset = 0;          // How far it goes; `after` at least.
  std::vector<RecordBlock> blocks;  // The first may begin before `after`.
};

// The owner's side of one log: opens it, gives offsets, appends, keeps the newest records, reads,
// trims. Every call and callback is on the executor.
class StreamLog final : public std::enable_shared_from_this<StreamLog> {
 public:
  // `log` must outlive this and every callback it owes. `on_commit` runs when records were
  // committed, before their publishers are answered.
  StreamLog(std::string log_id, eventlog::EventLog& log, StreamLogEnvironment& env,
            StreamLogOptions options, std::function<void()> on_commit);

  const std::string& id() const { return log_id_; }
  bool ready() const { return phase_ == Phase::kReady; }
  // Empty until it is ready.
  const std::string& epoch() const { return epoch_; }
  int64_t first_offset() const { return first_; }
  int64_t head() const { return head_; }
  // Where the source goes on after all that is committed; empty where it has never said.
  const std::string& position() const { return position_; }

  // Opens the log, making it where there is none, and runs `then`, in the order of the calls.
  void WhenReady(std::function<void(absl::Status)> then);

  // Must be ready. Gives the records their offsets; `done` runs when they and everything that they
  // repeat are committed. UNAVAILABLE where too much waits, which `bounded` = false skips. Without
  // records only the position is stored.
  void Append(RecordBuffer records, bool bounded, AppendCallback done);

  // Must be ready. About `max_bytes` of the records after `after`.
  void Read(int64_t after, int64_t max_bytes, std::function<void(absl::StatusOr<StreamPage>)> done);

  // Saves the position and trims, where due.
  void Tick();
  void SetRetention(const eventlog::Retention& retention);
  void ClearCache() { cache_.Clear(); }
  size_t cache_bytes() const { return cache_.bytes(); }
  // Of the records that the log keeps.
  int64_t bytes() const { return bytes_; }
  int64_t last_append_ms() const { return last_time_ms_; }

  // Nothing is answered but with `why` from now on.
  void Close(absl::Status why);
  // Close, and removes the log with all that it holds.
  void Delete(absl::Status why);

 private:
  enum class Phase : uint8_t { kUnloaded, kLoading, kReady, kClosed };

  struct Waiter {
    AppendCallback done;
    Appended result;
  };
  // What one commit covers.
  struct PendingBatch {
    int64_t first_offset = 0;
    int64_t count = 0;
    int64_t bytes = 0;                        // That count against the bound.
    std::string building;                     // What becomes `data`.
    std::shared_ptr<const std::string> data;  // Once it was given to the log.
    std::string position;
    std::vector<uint64_t> hashes;
    std::vector<Waiter> waiters;
    bool sealed = false;  // Nothing more is added.
  };

  template <typename T>
  std::function<void(T)> OnExecutor(void (StreamLog::*act)(T));
  void Open();
  void OnOpened(absl::StatusOr<eventlog::LogState> state);
  void OnRecent(absl::StatusOr<eventlog::ReadResult> recent);
  // The idempotency keys of the window that lie before the recent records, page by page towards the
  // oldest.
  void ReadKeys();
  void OnKeys(absl::StatusOr<eventlog::ReadResult> read);
  void AddKeys();
  void OnCursor(absl::StatusOr<std::vector<std::pair<std::string, std::string>>> pairs);
  void ReadPositions();
  void OnPositions(absl::StatusOr<eventlog::ReadResult> page);
  void SetReady(absl::Status status);

  // Gives offsets; true if nothing is left of `records` to append.
  bool Place(RecordBuffer& records, Appended* result);
  void StorePosition(std::string position, AppendCallback done);
  void AddToBuilding(RecordBuffer records, int64_t bytes, Waiter waiter);
  void WaitForCommit(int64_t offset, Waiter waiter);
  void Flush();
  void OnAppended(absl::Status status);
  void FailBatch(const PendingBatch& batch);
  void SavePosition(std::function<void(absl::Status)> done);
  std::string CursorKey() const { return "cursor/" + log_id_; }
  bool OverBounds() const;
  void Trim();
  void OnTrimmed(absl::StatusOr<eventlog::LogState> state);

  const std::string log_id_;
  eventlog::EventLog& log_;
  StreamLogEnvironment& env_;
  StreamLogOptions options_;
  const std::function<void()> on_commit_;

  Phase phase_ = Phase::kUnloaded;
  absl::Status closed_why_;
  std::vector<std::function<void(absl::Status)>> waiting_;

  std::string epoch_;
  int64_t first_ = 1;
  int64_t head_ = 0;  // Committed and delivered.
  int64_t next_ = 1;  // What the next record gets.
  int64_t bytes_ = 0;
  int64_t last_time_ms_ = 0;
  BlockCache cache_;
  eventlog::DedupIndex dedup_;

  std::vector<PendingBatch> building_;               // Collected in this turn.
  boost::container::deque<PendingBatch> in_flight_;  // Given to the log, oldest first.
  bool flush_posted_ = false;
  bool append_failed_ = false;  // Until in_flight_ is empty, nothing is accepted.
  bool gap_pending_ = false;    // For the next record.

  // While opening: keys with their offsets, the newest page first, and where the page that is being
  // read begins and ends.
  std::vector<std::vector<std::pair<uint64_t, int64_t>>> keys_;
  int64_t keys_since_ms_ = 0;
  int64_t keys_begin_ = 0;
  int64_t keys_end_ = 0;

  std::string position_;
  int64_t position_scan_ = 0;    // While opening: how far it was looked for.
  bool position_dirty_ = false;  // Not yet in the table of values.
  int64_t next_save_ms_ = 0;
  bool trimming_ = false;
  int64_t next_age_trim_ms_ = 0;
};

using StreamLogPtr = std::shared_ptr<StreamLog>;

}  // namespace covet::streams
