#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "common/base/clock.h"
#include "common/base/executor.h"
#include "common/eventlog/event_log.h"
#include "covet/rooms/v1/storage.pb.h"
#include "services/rooms/domain/room.h"

namespace covet::rooms {

// A page of a room's log.
struct RoomPage {
  std::string epoch;
  int64_t first_offset = 1;  // The oldest kept.
  int64_t last_looked = 0;   // How far was looked.
  int64_t head = 0;
  std::vector<std::pair<int64_t, std::shared_ptr<const std::string>>> records;  // Dense, ascending.
};

// The rooms with their logs: definitions, appends in order, reads, trimming. Knows nothing of
// members. Single-threaded: every call and callback is on `executor`.
class RoomTable {
 public:
  // Called when messages have been committed, in offset order, before their publishers are
  // answered.
  using CommitHook = std::function<void(Room&, const PendingBatch&)>;

  // `disk` and `memory` must outlive the table and every callback they owe.
  RoomTable(const RoomsOptions& options, const Clock& clock, Executor& executor,
            eventlog::EventLog& disk, eventlog::EventLog& memory, CommitHook on_commit);
  ~RoomTable();

  // Loads the definitions and makes the static rooms that are missing.
  void Start(std::function<void(absl::Status)> done);
  void SetOptions(const RoomsOptions& options) { options_ = options; }

  // Null if there is none.
  RoomPtr Find(std::string_view room_id) const;
  const std::map<std::string, RoomPtr, std::less<>>& rooms() const { return rooms_; }
  // The pattern that would make this room on a first join, or null.
  const RoomPattern* PatternFor(std::string_view room_id) const;
  v1::Room DefinitionFrom(const RoomPattern& pattern, std::string room_id) const;

  // Puts the room into the table at once; `done` runs after the commit. Whoever finds it meanwhile
  // waits in WhenReady, so nothing is answered before.
  void Create(v1::Room definition, std::function<void(absl::StatusOr<RoomPtr>)> done);
  // Stores a changed definition.
  void Store(const RoomPtr& room, std::function<void(absl::Status)> done);
  // Takes the room out of the table at once; `done` runs after the commit. If the log does not take
  // it, the room is there again: UNAVAILABLE.
  void Delete(const RoomPtr& room, std::function<void(absl::Status)> done);

  // Runs `then` once the log is open, in the order of the calls.
  void WhenReady(const RoomPtr& room, std::function<void(absl::Status)> then);

  // The room must be ready. Gives the message its offset, and the time of the message before it if
  // its own is earlier: the times of a log never go back. What is appended until the executor has
  // done what already waits there goes to the log as one batch.
  void Append(const RoomPtr& room, v1::StoredEvent event, PublishCallback done);
  // Answers with the offset of an earlier message once that is committed.
  void WaitForCommit(const RoomPtr& room, Published published, PublishCallback done);
  // The room must be ready.
  void Read(const RoomPtr& room, int64_t after, int32_t limit, int64_t max_bytes,
            std::function<void(absl::StatusOr<RoomPage>)> done);

  // Trims what is due. To be called every 100 ms or so.
  void Tick();

  // After a change of retention.
  void WantTrim(const RoomPtr& room);

  int64_t inflight_bytes() const { return inflight_bytes_; }
  int64_t max_inflight_bytes() const { return options_.max_inflight_bytes; }
  eventlog::EventLog& LogOf(const Room& room) { return room.memory() ? memory_ : disk_; }

 private:
  void FlushAppends();
  void Make(const RoomPtr& room);
  void MakeLogAndDefinition(const RoomPtr& room);
  void PutBack(const Room& deleted);
  void Load(const RoomPtr& room, bool create);
  void OnOpened(const RoomPtr& room, absl::StatusOr<eventlog::LogState> state);
  void FillFrom(Room& room, const eventlog::ReadResult& recent);
  void ReadNewest(const RoomPtr& room);
  void NoteTime(Room& room, const eventlog::ReadResult& newest);
  void FinishOpen(const RoomPtr& room, const absl::Status& status);
  void SetReady(const RoomPtr& room, absl::Status status);
  void OnAppended(const RoomPtr& room, absl::Status status);
  void Trim(const RoomPtr& room);
  void KeepCachesBounded();
  eventlog::Retention RetentionOf(const Room& room) const;
  void MakeStaticRooms(std::function<void(absl::Status)> done);
  void ScanFrom(std::string after_key, std::function<void(absl::Status)> done);

  // Wraps a callback so that it runs on the executor.
  template <typename... Args>
  std::function<void(Args...)> OnExecutor(std::function<void(Args...)> callback);

  RoomsOptions options_;
  const Clock& clock_;
  Executor& executor_;
  eventlog::EventLog& disk_;
  eventlog::EventLog& memory_;
  CommitHook on_commit_;
  std::map<std::string, RoomPtr, std::less<>> rooms_;  // Ordered, for pages.
  std::vector<RoomPtr> dirty_;
  std::vector<RoomPtr> trims_;
  int64_t inflight_bytes_ = 0;
  int64_t logical_time_ = 0;
  int64_t last_age_scan_ms_ = 0;
  size_t cache_bytes_ = 0;
};

}  // namespace covet::rooms
