#include "services/streams/domain/stream_log.h"

#include <algorithm>

#include "common/errors/refusals.h"
#include "covet/streams/v1/storage.pb.h"

namespace covet::streams {
namespace {

using eventlog::LogState;
using eventlog::ReadResult;

// The newest records that an owner keeps in memory again when it opens a log.
constexpr int32_t kMaxRecent = 20'000;
constexpr int32_t kReadRecords = 10'000;
constexpr int64_t kReadBytes = 1 << 20;
// Small appends of one turn share a row up to this size.
constexpr size_t kRowBytes = 256 << 10;
constexpr int64_t kSaveIntervalMs = 1'000;
constexpr int64_t kMinAgeTrimMs = 200;
constexpr int64_t kMaxAgeTrimMs = 3'600'000;

RecordBlock ToBlock(const std::vector<eventlog::Record>& records, size_t begin, size_t end) {
  auto data = std::make_shared<std::string>();
  for (size_t i = begin; i < end; ++i) eventlog::EncodeRecord(records[i].data, data.get());
  return {records[begin].offset, static_cast<int64_t>(end - begin), std::move(data)};
}

absl::Status Refusal(const absl::Status& status, std::string_view why) {
  return eventlog::IsDiskFull(status) ? DiskIsFull() : Unavailable(why);
}

}  // namespace

template <typename T>
std::function<void(T)> StreamLog::OnExecutor(void (StreamLog::*act)(T)) {
  return [self = shared_from_this(), act](T result) {
    self->env_.executor.Post(
        [self, act, result = std::move(result)]() mutable { ((*self).*act)(std::move(result)); });
  };
}

StreamLog::StreamLog(std::string log_id, eventlog::EventLog& log, StreamLogEnvironment& env,
                     StreamLogOptions options, std::function<void()> on_commit)
    : log_id_(std::move(log_id)),
      log_(log),
      env_(env),
      options_(options),
      on_commit_(std::move(on_commit)),
      cache_(options.cache_blocks, options.cache_bytes),
      dedup_(options.dedup_window_ms, options.max_dedup_keys) {}

// Opening.

void StreamLog::WhenReady(std::function<void(absl::Status)> then) {
  if (phase_ == Phase::kReady) return then(absl::OkStatus());
  if (phase_ == Phase::kClosed) return then(closed_why_);
  if (waiting_.size() >= env_.max_waiting_requests) {
    return then(Unavailable("too many requests wait for the log to open"));
  }
  waiting_.push_back(std::move(then));
  if (phase_ == Phase::kUnloaded) Open();
}

void StreamLog::Open() {
  phase_ = Phase::kLoading;
  log_.Create(log_id_, OnExecutor(&StreamLog::OnOpened));
}

void StreamLog::OnOpened(absl::StatusOr<LogState> state) {
  if (!state.ok()) return SetReady(state.status());
  epoch_ = state->epoch;
  first_ = state->first_offset;
  head_ = state->last_offset;
  next_ = state->last_offset + 1;
  bytes_ = state->bytes;
  keys_since_ms_ = env_.clock.WallMillis() - options_.dedup_window_ms;
  log_.ReadSince(log_id_, keys_since_ms_, kMaxRecent, OnExecutor(&StreamLog::OnRecent));
}

void StreamLog::OnRecent(absl::StatusOr<ReadResult> recent) {
  if (!recent.ok()) return SetReady(recent.status());
  keys_.clear();
  std::vector<std::pair<uint64_t, int64_t>>& keys = keys_.emplace_back();
  const std::vector<eventlog::Record>& records = recent->records;
  StoredRecord record;
  for (size_t begin = 0; begin < records.size(); begin += 1'000) {
    const size_t end = std::min(records.size(), begin + 1'000);
    for (size_t i = begin; i < end; ++i) {
      last_time_ms_ = records[i].time_ms;
      if (!ParseStored(records[i].data, &record) || record.dedup_hash == 0) continue;
      keys.emplace_back(record.dedup_hash, records[i].offset);
    }
    cache_.Add(ToBlock(records, begin, end));
  }
  keys_end_ = records.empty() ? first_ : records.front().offset;
  ReadKeys();
}

void StreamLog::ReadKeys() {
  const int64_t known = head_ + 1 - keys_end_;
  if (keys_end_ <= first_ || known >= static_cast<int64_t>(options_.max_dedup_keys)) {
    return AddKeys();
  }
  keys_begin_ = std::max(first_, keys_end_ - kReadRecords);
  keys_.emplace_back();
  log_.Read(log_id_, keys_begin_ - 1, kReadRecords, kReadBytes, OnExecutor(&StreamLog::OnKeys));
}

void StreamLog::OnKeys(absl::StatusOr<ReadResult> read) {
  if (!read.ok()) return SetReady(read.status());
  StoredRecord record;
  bool window_begins = read->records.empty();
  int64_t last = keys_end_;
  for (const eventlog::Record& each : read->records) {
    if (each.offset >= keys_end_) break;
    last = each.offset;
    if (each.time_ms < keys_since_ms_) {
      window_begins = true;
    } else if (ParseStored(each.data, &record) && record.dedup_hash != 0) {
      keys_.back().emplace_back(record.dedup_hash, each.offset);
    }
  }
  if (window_begins) keys_begin_ = first_;
  if (last + 1 < keys_end_) {
    log_.Read(log_id_, last, kReadRecords, kReadBytes, OnExecutor(&StreamLog::OnKeys));
    return;
  }
  keys_end_ = keys_begin_;
  ReadKeys();
}

void StreamLog::AddKeys() {
  // The window runs from now on: longer than promised, never shorter.
  const int64_t now = env_.clock.WallMillis();
  for (auto page = keys_.rbegin(); page != keys_.rend(); ++page) {
    for (const auto& [hash, offset] : *page) dedup_.Add(hash, offset, /*edge_key=*/false, now);
  }
  keys_ = {};
  if (!options_.keeps_position) return SetReady(absl::OkStatus());
  log_.Scan(CursorKey(), "", 1, OnExecutor(&StreamLog::OnCursor));
}

void StreamLog::OnCursor(absl::StatusOr<std::vector<std::pair<std::string, std::string>>> pairs) {
  if (!pairs.ok()) return SetReady(pairs.status());
  v1::StoredCursor cursor;
  if (!pairs->empty() && pairs->front().first == CursorKey() &&
      cursor.ParseFromString(pairs->front().second)) {
    position_ = cursor.position();
    position_scan_ = cursor.offset();
  }
  ReadPositions();
}

void StreamLog::ReadPositions() {
  if (position_scan_ >= head_) return SetReady(absl::OkStatus());
  log_.Read(log_id_, position_scan_, kReadRecords, kReadBytes, OnExecutor(&StreamLog::OnPositions));
}

void StreamLog::OnPositions(absl::StatusOr<ReadResult> page) {
  if (!page.ok()) return SetReady(page.status());
  StoredRecord record;
  for (const eventlog::Record& read : page->records) {
    position_scan_ = read.offset;
    if (ParseStored(read.data, &record) && !record.position.empty()) {
      position_ = record.position;
      position_dirty_ = true;
    }
  }
  if (page->records.empty()) position_scan_ = head_;
  ReadPositions();
}

void StreamLog::SetReady(absl::Status status) {
  if (phase_ == Phase::kClosed) return;
  phase_ = status.ok() ? Phase::kReady : Phase::kUnloaded;
  if (!status.ok()) {
    cache_.Clear();
    status = Refusal(status, std::string(status.message()));
  }
  for (auto& waiter : std::exchange(waiting_, {})) waiter(status);
  if (phase_ == Phase::kReady) Trim();
}

void StreamLog::Close(absl::Status why) {
  phase_ = Phase::kClosed;
  closed_why_ = std::move(why);
  for (auto& waiter : std::exchange(waiting_, {})) waiter(closed_why_);
}

void StreamLog::Delete(absl::Status why) {
  Close(std::move(why));
  log_.Delete(log_id_, [](const absl::Status&) {});
  if (options_.keeps_position) log_.Erase(CursorKey(), [](const absl::Status&) {});
}

// Appending.

bool StreamLog::Place(RecordBuffer& records, Appended* result) {
  result->first_offset = next_;
  if (!records.has_keys()) {
    result->appended = static_cast<int64_t>(records.count());
    next_ += result->appended;
    return records.empty();
  }
  const int64_t now = env_.clock.WallMillis();
  std::vector<size_t> known;
  for (size_t i = 0; i < records.hashes().size(); ++i) {
    const uint64_t hash = records.hashes()[i];
    const std::optional<int64_t> offset = hash == 0 ? std::nullopt : dedup_.Find(hash, now);
    if (offset) {
      known.push_back(i);
      result->offsets.push_back(*offset);
      continue;
    }
    if (hash != 0) dedup_.Add(hash, next_, /*edge_key=*/false, now);
    result->offsets.push_back(next_++);
  }
  result->duplicates = static_cast<int64_t>(known.size());
  result->appended = next_ - result->first_offset;
  if (known.empty()) {
    result->offsets.clear();
  } else {
    records.Remove(known);
  }
  return records.empty();
}

void StreamLog::Append(RecordBuffer records, bool bounded, AppendCallback done) {
  if (phase_ != Phase::kReady) return done(closed_why_);
  if (append_failed_ || (bounded && env_.inflight_bytes > env_.max_inflight_bytes)) {
    return done(Unavailable("the log is behind"));
  }
  env_.gaps += records.gaps();
  const bool had_records = !records.empty();
  if (!had_records) {
    gap_pending_ |= records.gap_pending();
    if (records.position().empty()) return done(Appended{});
    return StorePosition(records.position(), std::move(done));
  }
  Waiter waiter{std::move(done), {}};
  if (Place(records, &waiter.result)) {
    const int64_t last =
        *std::max_element(waiter.result.offsets.begin(), waiter.result.offsets.end());
    return WaitForCommit(last, std::move(waiter));
  }
  const auto bytes = static_cast<int64_t>(records.bytes());
  AddToBuilding(std::move(records), bytes, std::move(waiter));
}

void StreamLog::StorePosition(std::string position, AppendCallback done) {
  // Not before all that was handed in earlier is committed, and not at all if it fails. What comes
  // later must not share that commit, for its position is the later one.
  if (!building_.empty()) building_.back().sealed = true;
  WaitForCommit(next_ - 1, {[self = shared_from_this(), position = std::move(position),
                             done = std::move(done)](absl::StatusOr<Appended> earlier) {
                              if (!earlier.ok()) return done(earlier.status());
                              self->position_ = position;
                              self->SavePosition([done](const absl::Status& status) {
                                if (!status.ok()) return done(status);
                                done(Appended{});
                              });
                            },
                            {}});
}

void StreamLog::AddToBuilding(RecordBuffer records, int64_t bytes, Waiter waiter) {
  env_.inflight_bytes += bytes;
  const int64_t first = waiter.result.first_offset;
  const int64_t count = waiter.result.appended;
  std::vector<uint64_t> hashes;
  if (records.has_keys()) hashes = records.hashes();
  const bool gap_after = records.gap_pending();
  std::string position = records.position();
  std::string data = std::move(records).Encode(std::exchange(gap_pending_, gap_after));
  const bool shares = !building_.empty() && !building_.back().sealed &&
                      building_.back().building.size() + data.size() <= kRowBytes;
  if (shares) {
    PendingBatch& batch = building_.back();
    batch.building.append(data);
    batch.count += count;
    batch.bytes += bytes;
    if (!position.empty()) batch.position = std::move(position);
    batch.hashes.insert(batch.hashes.end(), hashes.begin(), hashes.end());
    batch.waiters.push_back(std::move(waiter));
  } else {
    PendingBatch& batch = building_.emplace_back();
    batch.first_offset = first;
    batch.count = count;
    batch.bytes = bytes;
    batch.building = std::move(data);
    batch.position = std::move(position);
    batch.hashes = std::move(hashes);
    batch.waiters.push_back(std::move(waiter));
  }
  if (std::exchange(flush_posted_, true)) return;
  env_.executor.Post([self = shared_from_this()] { self->Flush(); });
}

void StreamLog::WaitForCommit(int64_t offset, Waiter waiter) {
  if (offset <= head_) return waiter.done(std::move(waiter.result));
  for (auto batch = building_.rbegin(); batch != building_.rend(); ++batch) {
    if (offset >= batch->first_offset) {
      batch->waiters.push_back(std::move(waiter));
      return;
    }
  }
  for (auto batch = in_flight_.rbegin(); batch != in_flight_.rend(); ++batch) {
    if (offset >= batch->first_offset) {
      batch->waiters.push_back(std::move(waiter));
      return;
    }
  }
  waiter.done(Unavailable("the record was not committed"));
}

void StreamLog::Flush() {
  flush_posted_ = false;
  if (phase_ == Phase::kClosed) {
    // Another owner may have the log by now.
    for (PendingBatch& batch : std::exchange(building_, {})) {
      env_.inflight_bytes -= batch.bytes;
      for (Waiter& waiter : batch.waiters) waiter.done(closed_why_);
    }
    return;
  }
  last_time_ms_ =
      building_.empty() ? last_time_ms_ : std::max(last_time_ms_, env_.clock.WallMillis());
  for (PendingBatch& pending : std::exchange(building_, {})) {
    eventlog::Batch batch;
    batch.log_id = log_id_;
    batch.epoch = epoch_;
    batch.first_offset = pending.first_offset;
    batch.time_ms = last_time_ms_;
    pending.data = std::make_shared<const std::string>(std::move(pending.building));
    batch.encoded = pending.data;
    batch.encoded_count = pending.count;
    in_flight_.push_back(std::move(pending));
    log_.Append(std::move(batch), OnExecutor(&StreamLog::OnAppended));
  }
}

void StreamLog::OnAppended(absl::Status status) {
  PendingBatch batch = std::move(in_flight_.front());
  in_flight_.pop_front();
  env_.inflight_bytes -= batch.bytes;
  if (!status.ok()) {
    FailBatch(batch);
    const absl::Status refusal = Refusal(status, "the log refused the records");
    for (Waiter& waiter : batch.waiters) waiter.done(refusal);
    return;
  }
  head_ += batch.count;
  bytes_ += batch.bytes;
  if (!batch.position.empty()) {
    position_ = std::move(batch.position);
    position_dirty_ = true;
  }
  cache_.Add({batch.first_offset, batch.count, std::move(batch.data)});
  if (phase_ == Phase::kReady) {
    if (OverBounds()) Trim();
    on_commit_();
  }
  for (Waiter& waiter : batch.waiters) waiter.done(std::move(waiter.result));
}

void StreamLog::FailBatch(const PendingBatch& batch) {
  // The log refused this batch and so every later one; begin again after the last that it took.
  for (const uint64_t hash : batch.hashes) dedup_.Remove(hash);
  append_failed_ = !in_flight_.empty() || !building_.empty();
  if (!append_failed_) next_ = head_ + 1;
}

void StreamLog::SavePosition(std::function<void(absl::Status)> done) {
  v1::StoredCursor cursor;
  cursor.set_offset(head_);
  cursor.set_position(position_);
  position_dirty_ = false;
  next_save_ms_ = env_.clock.WallMillis() + kSaveIntervalMs;
  if (!options_.keeps_position) return done(absl::OkStatus());
  log_.Put(CursorKey(), cursor.SerializeAsString(),
           [self = shared_from_this(), done = std::move(done)](absl::Status status) {
             self->env_.executor.Post([done, status] { done(status); });
           });
}

// Reading.

void StreamLog::Read(int64_t after, int64_t max_bytes,
                     std::function<void(absl::StatusOr<StreamPage>)> done) {
  if (phase_ != Phase::kReady) return done(closed_why_);
  StreamPage page;
  page.epoch = epoch_;
  page.first_offset = first_;
  page.head = head_;
  page.after = page.last_offset = std::clamp(after, first_ - 1, head_);
  if (page.after == head_) return done(std::move(page));
  if (cache_.Covers(page.after)) {
    page.blocks = cache_.After(page.after, max_bytes);
    page.last_offset = page.blocks.back().last_offset();
    return done(std::move(page));
  }
  const int64_t begin = page.after;
  log_.Read(log_id_, begin, kReadRecords, max_bytes,
            [self = shared_from_this(), page = std::move(page),
             done = std::move(done)](absl::StatusOr<ReadResult> result) mutable {
              if (!result.ok()) {
                self->env_.executor.Post([self, done, status = result.status()] {
                  done(self->phase_ == Phase::kClosed ? self->closed_why_
                                                      : Unavailable(std::string(status.message())));
                });
                return;
              }
              // Off the executor: this is the log's reading thread.
              std::vector<eventlog::Record>& records = result->records;
              page.first_offset = std::max(page.first_offset, result->state.first_offset);
              page.after = page.last_offset = std::max(page.after, page.first_offset - 1);
              // What is committed but not yet delivered comes live.
              while (!records.empty() && records.back().offset > page.head) records.pop_back();
              if (!records.empty()) {
                page.last_offset = records.back().offset;
                page.blocks.push_back(ToBlock(records, 0, records.size()));
              }
              self->env_.executor.Post([self, done, page = std::move(page)]() mutable {
                if (self->phase_ == Phase::kClosed) return done(self->closed_why_);
                done(std::move(page));
              });
            });
}

// Upkeep.

void StreamLog::Tick() {
  if (phase_ != Phase::kReady) return;
  const int64_t now = env_.clock.WallMillis();
  if (position_dirty_ && now >= next_save_ms_) SavePosition([](const absl::Status&) {});
  const bool by_age = options_.retention.max_age_ms > 0 && first_ <= head_;
  if ((by_age && now >= next_age_trim_ms_) || OverBounds()) Trim();
}

void StreamLog::SetRetention(const eventlog::Retention& retention) {
  options_.retention = retention;
  next_age_trim_ms_ = 0;
}

bool StreamLog::OverBounds() const {
  const eventlog::Retention& retention = options_.retention;
  return (retention.max_count > 0 && head_ - first_ + 1 > retention.max_count) ||
         (retention.max_bytes > 0 && bytes_ > retention.max_bytes);
}

void StreamLog::Trim() {
  if (trimming_ || phase_ != Phase::kReady || first_ > head_) return;
  trimming_ = true;
  // What is trimmed may hold the only trace of where the source was.
  if (position_dirty_) SavePosition([](const absl::Status&) {});
  const int64_t now = env_.clock.WallMillis();
  next_age_trim_ms_ =
      now + std::clamp(options_.retention.max_age_ms / 10, kMinAgeTrimMs, kMaxAgeTrimMs);
  log_.Trim(log_id_, options_.retention, now, OnExecutor(&StreamLog::OnTrimmed));
}

void StreamLog::OnTrimmed(absl::StatusOr<LogState> state) {
  trimming_ = false;
  if (phase_ != Phase::kReady || !state.ok()) return;
  const bool moved = state->first_offset > first_;
  first_ = std::max(first_, state->first_offset);
  bytes_ = state->bytes;
  cache_.TrimBefore(first_);
  // A trim goes in bounded steps; go on while it gets somewhere.
  if (moved && (OverBounds() || options_.retention.max_age_ms > 0)) Trim();
}

}  // namespace covet::streams
