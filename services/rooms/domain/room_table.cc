#include "services/rooms/domain/room_table.h"

#include <algorithm>
#include <utility>

#include "common/base/proto_time.h"
#include "common/base/slot.h"
#include "common/policy/glob.h"
#include "services/rooms/domain/errors.h"

namespace covet::rooms {
namespace {

using eventlog::LogState;
using eventlog::ReadResult;

constexpr char kRoomKeyPrefix[] = "room/";
// What an owner reads back at most to know its idempotency keys and recent records.
constexpr int32_t kMaxRecent = 200'000;
constexpr int32_t kScanPage = 1'000;
constexpr int64_t kAgeScanMs = 200;

std::string KeyOf(std::string_view room_id) { return std::string(kRoomKeyPrefix).append(room_id); }

// A failure of the log, as callers are told of it.
absl::Status Refusal(const absl::Status& status) {
  return eventlog::IsDiskFull(status) ? DiskIsFull() : Unavailable(std::string(status.message()));
}

}  // namespace

void CompileGrants(Room& room) {
  // What is stored was checked when it came in; a grant that is no longer understood grants
  // nothing.
  auto compiled = policy::RoomGrants::Compile(room.definition.grants());
  room.grants = compiled.ok() ? *std::move(compiled) : policy::RoomGrants();
}

template <typename... Args>
std::function<void(Args...)> RoomTable::OnExecutor(std::function<void(Args...)> callback) {
  return [this, callback = std::move(callback)](Args... args) {
    executor_.Post(
        [callback, ... args = std::move(args)]() mutable { callback(std::move(args)...); });
  };
}

RoomTable::RoomTable(const RoomsOptions& options, const Clock& clock, Executor& executor,
                     eventlog::EventLog& disk, eventlog::EventLog& memory, CommitHook on_commit)
    : options_(options),
      clock_(clock),
      executor_(executor),
      disk_(disk),
      memory_(memory),
      on_commit_(std::move(on_commit)) {}

RoomTable::~RoomTable() {
  // What waits in a room may hold the room.
  for (const auto& [room_id, room] : rooms_) {
    room->waiting.clear();
    room->building = {};
    room->in_flight.clear();
  }
}

void RoomTable::Start(std::function<void(absl::Status)> done) {
  ScanFrom(kRoomKeyPrefix, std::move(done));
}

void RoomTable::ScanFrom(std::string after_key, std::function<void(absl::Status)> done) {
  using Pairs = absl::StatusOr<std::vector<std::pair<std::string, std::string>>>;
  disk_.Scan(kRoomKeyPrefix, std::move(after_key), kScanPage,
             OnExecutor(std::function<void(Pairs)>([this, done = std::move(done)](Pairs pairs) {
               if (!pairs.ok()) return done(pairs.status());
               for (const auto& [key, value] : *pairs) {
                 v1::StoredRoom stored;
                 if (!stored.ParseFromString(value)) {
                   return done(absl::DataLossError("the definition of " + key + " is unreadable"));
                 }
                 auto room = std::make_shared<Room>(std::move(*stored.mutable_room()), options_);
                 room->last_used_ms = stored.last_used_ms();
                 CompileGrants(*room);
                 rooms_.emplace(room->id(), std::move(room));
               }
               if (static_cast<int32_t>(pairs->size()) < kScanPage) return MakeStaticRooms(done);
               ScanFrom(pairs->back().first, done);
             })));
}

void RoomTable::MakeStaticRooms(std::function<void(absl::Status)> done) {
  auto missing = std::make_shared<int>(1);
  auto result = std::make_shared<absl::Status>();
  const auto finish = [missing, result, done = std::move(done)](const absl::Status& status) {
    if (!status.ok()) *result = status;
    if (--*missing == 0) done(*result);
  };
  for (const v1::Room& room : options_.static_rooms) {
    if (Find(room.room_id()) != nullptr) continue;
    ++*missing;
    Create(room, [finish](const absl::StatusOr<RoomPtr>& made) { finish(made.status()); });
  }
  finish(absl::OkStatus());
}

RoomPtr RoomTable::Find(std::string_view room_id) const {
  const auto it = rooms_.find(room_id);
  return it == rooms_.end() ? nullptr : it->second;
}

const RoomPattern* RoomTable::PatternFor(std::string_view room_id) const {
  for (const RoomPattern& pattern : options_.patterns) {
    if (policy::GlobMatch(pattern.glob, room_id)) return &pattern;
  }
  return nullptr;
}

v1::Room RoomTable::DefinitionFrom(const RoomPattern& pattern, std::string room_id) const {
  v1::Room room;
  room.set_room_id(std::move(room_id));
  room.set_ephemeral(true);
  room.set_durability(pattern.memory ? v1::DURABILITY_MEMORY : v1::DURABILITY_DISK);
  return room;
}

void RoomTable::Create(v1::Room definition, std::function<void(absl::StatusOr<RoomPtr>)> done) {
  const int64_t now = clock_.WallMillis();
  if (!definition.has_created_at()) {
    definition.mutable_created_at()->set_seconds(now / 1000);
    definition.mutable_created_at()->set_nanos(static_cast<int32_t>(now % 1000) * 1'000'000);
  }
  auto room = std::make_shared<Room>(std::move(definition), options_);
  room->last_used_ms = now;
  CompileGrants(*room);
  rooms_[room->id()] = room;
  room->waiting.push_back([this, room, done = std::move(done)](const absl::Status& ready) {
    if (ready.ok()) return done(room);
    // Who asks again makes it anew, with its definition.
    if (!std::exchange(room->dead, true)) rooms_.erase(room->id());
    done(ready);
  });
  Make(room);
}

// A log of this name without a definition is what a deletion that failed halfway left behind:
// nothing of it belongs to the new room.
void RoomTable::Make(const RoomPtr& room) {
  room->phase = Room::Phase::kLoading;
  const auto finish = [this, room](const absl::Status& status) {
    if (room->dead) return;
    if (!status.ok() && !absl::IsNotFound(status)) return FinishOpen(room, status);
    MakeLogAndDefinition(room);
  };
  LogOf(*room).Head(room->log_id(),
                    OnExecutor(std::function<void(absl::StatusOr<LogState>)>(
                        [this, room, finish](const absl::StatusOr<LogState>& old) {
                          if (!old.ok()) return finish(old.status());
                          LogOf(*room).Delete(
                              room->log_id(),
                              OnExecutor(std::function<void(absl::Status)>(finish)));
                        })));
}

void RoomTable::MakeLogAndDefinition(const RoomPtr& room) {
  Load(room, /*create=*/true);
  // Nobody sees the room before its definition is committed too.
  ++room->opens_pending;
  Store(room, [this, room](const absl::Status& status) { FinishOpen(room, status); });
}

void RoomTable::Store(const RoomPtr& room, std::function<void(absl::Status)> done) {
  v1::StoredRoom stored;
  *stored.mutable_room() = room->definition;
  stored.set_last_used_ms(room->last_used_ms);
  disk_.Put(KeyOf(room->id()), stored.SerializeAsString(),
            OnExecutor(std::function<void(absl::Status)>(std::move(done))));
}

void RoomTable::Delete(const RoomPtr& room, std::function<void(absl::Status)> done) {
  room->dead = true;
  rooms_.erase(room->id());
  cache_bytes_ -= room->cache.bytes();
  room->cache.Clear();
  for (auto& waiter : std::exchange(room->waiting, {})) waiter(RoomNotFound(room->id()));
  LogOf(*room).Delete(room->log_id(), [](const absl::Status&) {});
  disk_.Erase(KeyOf(room->id()),
              OnExecutor(std::function<void(absl::Status)>(
                  [this, room, done = std::move(done)](const absl::Status& erased) {
                    if (!erased.ok()) PutBack(*room);
                    done(erased.ok() ? erased : Refusal(erased));
                  })));
}

// What is on the disk is what there is.
void RoomTable::PutBack(const Room& deleted) {
  auto room = std::make_shared<Room>(deleted.definition, options_);
  room->last_used_ms = deleted.last_used_ms;
  CompileGrants(*room);
  rooms_.try_emplace(room->id(), room);
}

void RoomTable::WhenReady(const RoomPtr& room, std::function<void(absl::Status)> then) {
  if (room->dead) return then(RoomNotFound(room->id()));
  if (room->phase == Room::Phase::kReady) return then(absl::OkStatus());
  if (room->waiting.size() >= options_.max_waiting_requests) {
    return then(Unavailable("too many requests wait for the room to open"));
  }
  room->waiting.push_back(std::move(then));
  if (room->phase == Room::Phase::kUnloaded) Load(room, /*create=*/false);
}

void RoomTable::Load(const RoomPtr& room, bool create) {
  room->phase = Room::Phase::kLoading;
  room->opens_pending = 1;
  const auto opened = OnExecutor(std::function<void(absl::StatusOr<LogState>)>(
      [this, room](absl::StatusOr<LogState> state) { OnOpened(room, std::move(state)); }));
  // A memory log is gone after a restart, and a disk log may be if the machine ended between the
  // two commits that make a room: both begin anew.
  if (create || room->memory()) {
    LogOf(*room).Create(room->log_id(), opened);
  } else {
    LogOf(*room).Head(room->log_id(), opened);
  }
}

void RoomTable::OnOpened(const RoomPtr& room, absl::StatusOr<LogState> state) {
  if (room->dead) return;
  if (absl::IsNotFound(state.status())) return Load(room, /*create=*/true);
  if (!state.ok()) return FinishOpen(room, state.status());
  room->epoch = state->epoch;
  room->first = state->first_offset;
  room->head = state->last_offset;
  room->next = state->last_offset + 1;
  room->bytes = state->bytes;
  if (room->first > room->head) return FinishOpen(room, absl::OkStatus());
  const int64_t since = clock_.WallMillis() - options_.dedup_window_ms;
  LogOf(*room).ReadSince(room->log_id(), since, kMaxRecent,
                         OnExecutor(std::function<void(absl::StatusOr<ReadResult>)>(
                             [this, room](const absl::StatusOr<ReadResult>& recent) {
                               if (room->dead) return;
                               if (!recent.ok()) return FinishOpen(room, recent.status());
                               FillFrom(*room, *recent);
                               if (recent->records.empty()) return ReadNewest(room);
                               FinishOpen(room, absl::OkStatus());
                             })));
}

// The last message is older than what is kept in mind; a room's life is counted from it.
void RoomTable::ReadNewest(const RoomPtr& room) {
  LogOf(*room).Read(room->log_id(), room->head - 1, 1, INT64_MAX,
                    OnExecutor(std::function<void(absl::StatusOr<ReadResult>)>(
                        [this, room](const absl::StatusOr<ReadResult>& newest) {
                          if (room->dead) return;
                          if (newest.ok() && !newest->records.empty()) NoteTime(*room, *newest);
                          FinishOpen(room, newest.status());
                        })));
}

void RoomTable::NoteTime(Room& room, const ReadResult& newest) {
  room.time_ms = newest.records.back().time_ms;
  room.last_used_ms = std::max(room.last_used_ms, room.time_ms);
}

void RoomTable::FillFrom(Room& room, const ReadResult& recent) {
  if (recent.records.empty()) return;
  NoteTime(room, recent);
  // As Append has it, so that the keys' times do not go back either.
  const int64_t now = std::max(clock_.WallMillis(), room.time_ms);
  v1::StoredEvent event;
  const size_t before = room.cache.bytes();
  for (const eventlog::Record& record : recent.records) {
    room.cache.Add(record.offset, std::make_shared<const std::string>(record.data));
    if (!event.ParseFromString(record.data) || event.dedup_hash() == 0) continue;
    // The window runs from now on: longer than promised, never shorter.
    room.dedup.Add(event.dedup_hash(), record.offset, event.edge_key(), now);
  }
  cache_bytes_ += room.cache.bytes() - before;
}

void RoomTable::FinishOpen(const RoomPtr& room, const absl::Status& status) {
  if (room->dead || room->phase != Room::Phase::kLoading) return;
  if (!status.ok() || --room->opens_pending == 0) SetReady(room, status);
}

void RoomTable::SetReady(const RoomPtr& room, absl::Status status) {
  room->phase = status.ok() ? Room::Phase::kReady : Room::Phase::kUnloaded;
  if (status.ok()) WantTrim(room);
  if (!status.ok()) status = Refusal(status);
  for (auto& waiter : std::exchange(room->waiting, {})) waiter(status);
}

void RoomTable::Append(const RoomPtr& room, v1::StoredEvent event, PublishCallback done) {
  if (room->append_failed || inflight_bytes_ > options_.max_inflight_bytes) {
    return done(Unavailable("the log is behind"));
  }
  room->time_ms = std::max(room->time_ms, event.time_ms());
  event.set_time_ms(room->time_ms);
  PendingBatch& batch = room->building;
  if (batch.events.empty()) {
    batch.first_offset = room->next;
    batch.time_ms = event.time_ms();
  }
  auto record = std::make_shared<const std::string>(event.SerializeAsString());
  batch.bytes += static_cast<int64_t>(record->size());
  inflight_bytes_ += static_cast<int64_t>(record->size());
  const int64_t offset = room->next++;
  if (event.dedup_hash() != 0) {
    room->dedup.Add(event.dedup_hash(), offset, event.edge_key(), event.time_ms());
  }
  batch.events.push_back({std::move(record), event.expires_ms(), event.dedup_hash()});
  batch.waiters.emplace_back(std::move(done), Published{offset, false});
  if (std::exchange(room->dirty, true)) return;
  if (dirty_.empty()) executor_.Post([this] { FlushAppends(); });
  dirty_.push_back(room);
}

void RoomTable::WaitForCommit(const RoomPtr& room, Published published, PublishCallback done) {
  if (published.offset <= room->head) return done(published);
  if (!room->building.events.empty() && published.offset >= room->building.first_offset) {
    room->building.waiters.emplace_back(std::move(done), published);
    return;
  }
  for (auto batch = room->in_flight.rbegin(); batch != room->in_flight.rend(); ++batch) {
    if (published.offset >= batch->first_offset) {
      batch->waiters.emplace_back(std::move(done), published);
      return;
    }
  }
  done(Unavailable("the message was not committed"));
}

void RoomTable::FlushAppends() {
  for (const RoomPtr& room : std::exchange(dirty_, {})) {
    room->dirty = false;
    eventlog::Batch batch;
    batch.log_id = room->log_id();
    batch.epoch = room->epoch;
    batch.first_offset = room->building.first_offset;
    batch.time_ms = room->building.time_ms;
    batch.records.reserve(room->building.events.size());
    for (const PendingEvent& event : room->building.events) batch.records.push_back(event.record);
    room->in_flight.push_back(std::exchange(room->building, {}));
    LogOf(*room).Append(std::move(batch),
                        OnExecutor(std::function<void(absl::Status)>(
                            [this, room](absl::Status status) { OnAppended(room, status); })));
  }
}

void RoomTable::OnAppended(const RoomPtr& room, absl::Status status) {
  PendingBatch batch = std::move(room->in_flight.front());
  room->in_flight.pop_front();
  inflight_bytes_ -= batch.bytes;
  if (room->dead) status = RoomNotFound(room->id());
  if (!status.ok()) {
    // The log refused this batch and so every later one; begin again after the last that it took.
    for (const PendingEvent& event : batch.events) room->dedup.Remove(event.dedup_hash);
    room->append_failed = !room->in_flight.empty() || !room->building.events.empty();
    if (!room->append_failed) room->next = room->head + 1;
    if (!room->dead) {
      status =
          eventlog::IsDiskFull(status) ? DiskIsFull() : Unavailable("the log refused the message");
    }
    for (auto& [done, published] : batch.waiters) done(status);
    return;
  }
  room->head += static_cast<int64_t>(batch.events.size());
  room->bytes += batch.bytes;
  room->messages_since += static_cast<int64_t>(batch.events.size());
  room->bytes_since += batch.bytes;
  room->last_used_ms = std::max(room->last_used_ms, batch.time_ms);
  room->cache_touched = ++logical_time_;
  const size_t before = room->cache.bytes();
  for (size_t i = 0; i < batch.events.size(); ++i) {
    room->cache.Add(batch.first_offset + static_cast<int64_t>(i), batch.events[i].record);
  }
  cache_bytes_ += room->cache.bytes() - before;
  const eventlog::Retention retention = RetentionOf(*room);
  const bool over =
      (retention.max_count > 0 && room->head - room->first + 1 > retention.max_count) ||
      (retention.max_bytes > 0 && room->bytes > retention.max_bytes);
  if (over) WantTrim(room);
  on_commit_(*room, batch);
  for (auto& [done, published] : batch.waiters) done(published);
}

void RoomTable::Read(const RoomPtr& room, int64_t after, int32_t limit, int64_t max_bytes,
                     std::function<void(absl::StatusOr<RoomPage>)> done) {
  RoomPage page;
  page.epoch = room->epoch;
  page.first_offset = room->first;
  page.head = room->head;
  if (after >= room->head) {
    page.last_looked = std::max(after, room->head);
    return done(std::move(page));
  }
  after = std::max(after, room->first - 1);
  if (room->cache.Covers(after)) {
    int64_t bytes = 0;
    int64_t offset = after + 1;
    for (; offset <= room->head && static_cast<int32_t>(page.records.size()) < limit; ++offset) {
      const auto& record = room->cache.At(offset);
      bytes += static_cast<int64_t>(record->size());
      if (bytes > max_bytes && !page.records.empty()) break;
      page.records.emplace_back(offset, record);
    }
    page.last_looked = offset - 1;
    return done(std::move(page));
  }
  LogOf(*room).Read(room->log_id(), after, limit, max_bytes,
                    OnExecutor(std::function<void(absl::StatusOr<ReadResult>)>(
                        [room, after, done = std::move(done)](absl::StatusOr<ReadResult> result) {
                          if (room->dead) return done(RoomNotFound(room->id()));
                          if (!result.ok())
                            return done(Unavailable(std::string(result.status().message())));
                          RoomPage page;
                          page.epoch = room->epoch;
                          page.first_offset = std::max(room->first, result->state.first_offset);
                          page.head = room->head;
                          page.last_looked = std::max(after, page.first_offset - 1);
                          for (eventlog::Record& record : result->records) {
                            // What is committed but not yet delivered comes live.
                            if (record.offset > room->head || record.offset <= after) continue;
                            page.last_looked = record.offset;
                            page.records.emplace_back(
                                record.offset,
                                std::make_shared<const std::string>(std::move(record.data)));
                          }
                          done(std::move(page));
                        })));
}

void RoomTable::Tick() {
  const int64_t now = clock_.WallMillis();
  if (now - last_age_scan_ms_ >= kAgeScanMs) {
    last_age_scan_ms_ = now;
    for (const auto& [id, room] : rooms_) {
      if (room->phase != Room::Phase::kReady || room->first > room->head) continue;
      const bool age_due = now >= room->next_age_trim_ms && RetentionOf(*room).max_age_ms > 0;
      if (age_due) WantTrim(room);
    }
  }
  for (const RoomPtr& room : std::exchange(trims_, {})) Trim(room);
  KeepCachesBounded();
}

void RoomTable::WantTrim(const RoomPtr& room) {
  if (!std::exchange(room->trim_wanted, true)) trims_.push_back(room);
}

void RoomTable::Trim(const RoomPtr& room) {
  room->trim_wanted = false;
  if (room->dead || room->trimming || room->phase != Room::Phase::kReady) return;
  room->trimming = true;
  const eventlog::Retention retention = RetentionOf(*room);
  const int64_t now = clock_.WallMillis();
  room->next_age_trim_ms =
      now + std::clamp<int64_t>(retention.max_age_ms / 10, kAgeScanMs, 3'600'000);
  LogOf(*room).Trim(
      room->log_id(), retention, now,
      OnExecutor(std::function<void(absl::StatusOr<LogState>)>(
          [this, room, retention](const absl::StatusOr<LogState>& state) {
            room->trimming = false;
            if (room->dead || !state.ok()) return;
            const bool moved = state->first_offset > room->first;
            room->first = std::max(room->first, state->first_offset);
            room->bytes = state->bytes;
            const bool over =
                retention.max_age_ms > 0 ||
                (retention.max_count > 0 &&
                 state->last_offset - state->first_offset + 1 > retention.max_count) ||
                (retention.max_bytes > 0 && state->bytes > retention.max_bytes);
            // A trim goes in bounded steps; go on while it gets somewhere.
            if (moved && over) Trim(room);
          })));
}

void RoomTable::KeepCachesBounded() {
  if (cache_bytes_ <= options_.total_cache_bytes) return;
  std::vector<RoomPtr> cached;
  for (const auto& [id, room] : rooms_) {
    if (!room->cache.empty()) cached.push_back(room);
  }
  std::sort(cached.begin(), cached.end(),
            [](const RoomPtr& a, const RoomPtr& b) { return a->cache_touched < b->cache_touched; });
  for (const RoomPtr& room : cached) {
    if (cache_bytes_ <= options_.total_cache_bytes / 2) break;
    cache_bytes_ -= room->cache.bytes();
    room->cache.Clear();
  }
}

eventlog::Retention RoomTable::RetentionOf(const Room& room) const {
  eventlog::Retention retention = options_.default_retention;
  if (room.definition.ephemeral()) {
    if (const RoomPattern* pattern = PatternFor(room.id())) {
      const eventlog::Retention& own = pattern->retention;
      if (own.max_age_ms > 0) retention.max_age_ms = own.max_age_ms;
      if (own.max_count > 0) retention.max_count = own.max_count;
      if (own.max_bytes > 0) retention.max_bytes = own.max_bytes;
    }
  }
  const v1::Retention& own = room.definition.retention();
  if (Millis(own.max_age()) > 0) retention.max_age_ms = Millis(own.max_age());
  if (own.max_count() > 0) retention.max_count = own.max_count();
  if (own.max_bytes() > 0) retention.max_bytes = own.max_bytes();
  return retention;
}

}  // namespace covet::rooms
