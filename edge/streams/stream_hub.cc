#include "edge/streams/stream_hub.h"

#include <algorithm>
#include <utility>

namespace covet::edge {
namespace {

constexpr int64_t kMaxReplay = 10'000;

size_t BytesOf(const StreamBatch& batch) {
  size_t bytes = sizeof(StreamBatch);
  for (const StreamRecord& record : batch.records) bytes += record.json.size();
  return bytes;
}

void AppendRefs(const StreamBatchPtr& batch, int64_t after, int64_t last,
                std::vector<RecordRef>* refs) {
  for (size_t i = 0; i < batch->records.size(); ++i) {
    const int64_t offset = batch->records[i].offset;
    if (offset > after && offset <= last) refs->push_back({batch, i});
  }
}

// Whether the log has answered, and will not answer otherwise.
bool IsFinal(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kAborted:  // Another epoch.
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kUnimplemented:
      return true;
    default:
      return false;
  }
}

std::vector<RecordRef> Alive(std::vector<RecordRef> refs, int64_t now_ms) {
  std::erase_if(refs, [&](const RecordRef& ref) { return !ref.record().IsAlive(now_ms); });
  return refs;
}

}  // namespace

void StreamHub::Add(StreamReader* reader) {
  reader->hub = this;
  readers_.push_back(reader);
}

void StreamHub::Remove(StreamReader* reader) {
  // Order among readers means nothing.
  const auto it = std::find(readers_.begin(), readers_.end(), reader);
  *it = readers_.back();
  readers_.pop_back();
  if (reader->replay != nullptr || (reader->entry != nullptr && reader->read_token != 0)) {
    EndCatchingUp();
  }
  StreamGroup* group = std::exchange(reader->group, nullptr);
  reader->hub = nullptr;
  if (group == nullptr) return;
  StreamReader* last = group->readers.back();
  last->position = reader->position;
  group->readers[reader->position] = last;
  group->readers.pop_back();
  if (!group->readers.empty()) return;
  host_.SetDeadline(*group, 0);
  groups_.erase(group->options);
}

void StreamHub::OnAttached(const AttachedItem& item) {
  upstream_ = item.upstream;
  epoch_ = item.epoch;
  last_ = item.offset;
}

void StreamHub::EndCatchingUp() {
  if (--catching_up_ > 0) return;
  retained_.clear();
  retained_.shrink_to_fit();
  retained_bytes_ = 0;
}

void StreamHub::TryEnter(StreamReader& reader) {
  if (!live() || reader.read_token != 0) return;
  const SubscribeParams& params = reader.entry->params;
  if (!params.has_resume || params.resume_epoch != epoch_ || params.resume_offset == last_) {
    return Enter(reader, nullptr);
  }
  BeginCatchingUp();
  host_.Read(reader, reader.entry->params.resume_offset);
}

StreamGroup& StreamHub::GroupFor(const StreamReader& reader, const SubscribeParams& params) {
  StreamGroupOptions options;
  options.interval_ms = params.batch_interval_ms;
  // Where each record goes by itself they bound only what waits.
  if (options.interval_ms > 0) {
    options.buffer_size = params.buffer_size;
    options.conflate = params.conflate;
  }
  const auto taken = [&](const StreamGroup& group) {
    return std::any_of(
        reader.session->readers.begin(), reader.session->readers.end(),
        [&](const auto& other) { return other.get() != &reader && other->group == &group; });
  };
  while (true) {
    std::unique_ptr<StreamGroup>& group = groups_[options];
    if (group == nullptr) {
      group = std::make_unique<StreamGroup>(this, options, last_, host_.NowMillis());
    }
    if (!taken(*group)) return *group;
    ++options.ordinal;
  }
}

void StreamHub::Enter(StreamReader& reader, const PageItem* page) {
  std::unique_ptr<StreamReader::Entry> entry = std::move(reader.entry);
  const SubscribeParams& params = entry->params;
  StreamGroup& group = GroupFor(reader, params);
  reader.group = &group;
  reader.position = group.readers.size();
  group.readers.push_back(&reader);
  reader.told = group.flushed;

  SubscribeResult result;
  result.epoch = epoch_;
  int64_t after = group.flushed;
  bool may_skip = true;
  if (params.has_resume) {
    const int64_t from = params.resume_offset;
    const int64_t head = page == nullptr ? last_ : std::max(last_, page->head_offset);
    if (params.resume_epoch == epoch_ && from <= head) {
      const int64_t oldest =
          std::max(page == nullptr ? 0 : page->oldest_offset - 1, group.flushed - kMaxReplay);
      reader.told = std::max(group.flushed, from);
      result.recovered = from >= oldest;
      may_skip = !result.recovered;
      after = std::max(from, oldest);
    }
    ++(result.recovered ? host_.counters().recovered : host_.counters().not_recovered);
  } else if (params.history > 0) {
    after = std::max<int64_t>(0, group.flushed - std::min<int64_t>(params.history, kMaxReplay));
  }
  result.offset = reader.told;
  const bool replays = after < group.flushed;
  if (replays) {
    reader.told = after;
    reader.replay = std::make_unique<StreamReader::Replay>();
    reader.replay->cursor = after;
    reader.replay->may_skip = may_skip;
    ++host_.counters().replays;
    if (page == nullptr) BeginCatchingUp();
  } else if (page != nullptr) {
    EndCatchingUp();
  }
  // The page that told whether it can be recovered is the first of its replay.
  if (replays && page != nullptr && page->batch->last_offset > after) {
    AppendRefs(page->batch, after, page->batch->last_offset, &reader.replay->first_page);
    reader.replay->cursor = page->batch->last_offset;
    reader.replay->may_skip = false;
  }
  host_.OnEntered(reader, std::move(entry), std::move(result));
}

void StreamHub::StartReplay(StreamReader& reader) {
  if (reader.replay == nullptr) return;
  const std::vector<RecordRef> refs = std::exchange(reader.replay->first_page, {});
  SendRange(reader, refs, reader.replay->cursor);
  Continue(reader);
}

bool StreamHub::OnBatch(const StreamBatchPtr& batch) {
  if (batch->last_offset < last_ || (batch->last_offset == last_ && !batch->gap)) return true;
  if (batch->first_offset > last_ + 1) return false;
  if (catching_up_ > 0) Retain(batch);
  for (const auto& [options, group] : groups_) TakeIn(*group, batch);
  last_ = batch->last_offset;
  return true;
}

void StreamHub::TakeIn(StreamGroup& group, const StreamBatchPtr& batch) {
  group.gap |= batch->gap;
  for (size_t i = 0; i < batch->records.size(); ++i) {
    const StreamRecord& record = batch->records[i];
    if (record.offset <= last_) continue;
    if (!group.pending.empty() &&
        group.pending.bytes() + record.json.size() > host_.limits().frame_bytes) {
      Flush(group, record.offset - 1);
    }
    group.pending.Add({batch, i});
    const bool last = i + 1 == batch->records.size();
    if (group.options.interval_ms == 0 ||
        group.pending.size() >= static_cast<size_t>(group.options.buffer_size)) {
      Flush(group, last ? batch->last_offset : record.offset);
    }
  }
  if (group.pending.empty() && !group.gap) return;
  if (group.options.interval_ms == 0) return Flush(group, batch->last_offset);
  if (group.deadline_ms != 0) return;
  host_.SetDeadline(group, host_.NowMillis() + group.options.interval_ms);
}

void StreamHub::OnDeadline(StreamGroup& group) { Flush(group, last_); }

void StreamHub::Flush(StreamGroup& group, int64_t last) {
  const bool had_records = !group.pending.empty();
  const std::vector<RecordRef> refs = Alive(group.pending.Take(), host_.NowMillis());
  if (had_records && refs.empty() && !group.gap) {
    // Nothing is left to send, as if nothing had matched.
    host_.SetDeadline(group, 0);
    return;
  }
  const bool gap = std::exchange(group.gap, false);
  const int64_t first = group.flushed + 1;
  group.flushed = last;
  group.last_frame_ms = host_.NowMillis();
  host_.SetDeadline(group, 0);
  StreamFrame shared;
  for (StreamReader* reader : group.readers) {
    if (reader->replay != nullptr || reader->told > last || (reader->told == last && !gap)) {
      // It reads the records themselves, but of a gap only we tell it.
      reader->dropped_gap |= gap;
      continue;
    }
    if (reader->told >= first) {
      std::vector<RecordRef> rest;
      std::copy_if(refs.begin(), refs.end(), std::back_inserter(rest),
                   [&](const RecordRef& ref) { return ref.record().offset > reader->told; });
      reader->Deliver(Build(rest, reader->told + 1, last, gap), host_.limits().waiting_bytes,
                      host_.counters());
    } else {
      if (shared.frame == nullptr) shared = Build(refs, first, last, gap);
      reader->Deliver(shared, host_.limits().waiting_bytes, host_.counters());
    }
    reader->told = last;
  }
}

StreamFrame StreamHub::Build(const std::vector<RecordRef>& refs, int64_t first, int64_t last,
                             bool gap) {
  StreamFrame frame;
  bool all_expire = !refs.empty();
  StreamDataMessage message;
  message.stream_type = StreamTypeName(source_.request.stream_type());
  message.resource_id = source_.request.resource_id();
  message.epoch = epoch_;
  message.first_offset = first;
  message.last_offset = last;
  message.gap = gap;
  message.batch.reserve(refs.size());
  for (const RecordRef& ref : refs) {
    const StreamRecord& record = ref.record();
    message.batch.push_back(record.json);
    if (record.expires_at_ms == 0) {
      all_expire = false;
      continue;
    }
    frame.last_expiry_ms = std::max(frame.last_expiry_ms, record.expires_at_ms);
    if (frame.first_expiry_ms == 0 || record.expires_at_ms < frame.first_expiry_ms) {
      frame.first_expiry_ms = record.expires_at_ms;
    }
  }
  if (!all_expire) frame.last_expiry_ms = 0;
  if (frame.first_expiry_ms != 0) {
    frame.made_of = std::make_shared<const FrameRecords>(FrameRecords{refs, first, last});
  }
  EncodedMessage encoded = host_.encoder().StreamData(message);
  ++host_.counters().frames_built;
  frame.frame = Frame::Text(std::move(encoded.text), encoded.splice);
  frame.records = static_cast<uint32_t>(refs.size());
  frame.gap = gap;
  return frame;
}

StreamFrame StreamHub::WithoutExpired(const StreamFrame& frame) {
  const int64_t now_ms = host_.NowMillis();
  if (frame.first_expiry_ms == 0 || now_ms < frame.first_expiry_ms) return frame;
  const FrameRecords& records = *frame.made_of;
  return Build(Alive(records.refs, now_ms), records.first, records.last, frame.gap);
}

void StreamHub::SendRange(StreamReader& reader, const std::vector<RecordRef>& refs, int64_t last) {
  std::vector<RecordRef> part;
  size_t bytes = 0;
  const auto send = [&](int64_t end) {
    reader.Deliver(Build(part, reader.told + 1, end, false), /*max_bytes=*/0, host_.counters());
    reader.told = end;
    part.clear();
    bytes = 0;
  };
  for (const RecordRef& ref : refs) {
    const StreamRecord& record = ref.record();
    if (!record.IsAlive(host_.NowMillis())) continue;
    if (!part.empty() && (part.size() >= static_cast<size_t>(reader.buffer_size) ||
                          bytes + record.json.size() > host_.limits().frame_bytes)) {
      send(part.back().record().offset);
    }
    part.push_back(ref);
    bytes += record.json.size();
  }
  if (!part.empty()) send(last);
}

bool StreamHub::OnPage(StreamReader& reader, const PageItem& page) {
  reader.read_token = 0;
  if (!page.status.ok()) {
    // What was not answered is asked again. Where nothing was promised yet, so is what was, with a
    // new epoch if that is why.
    reader.retry_read = reader.entry != nullptr || !IsFinal(page.status);
    if (reader.entry != nullptr) EndCatchingUp();
    return reader.retry_read;
  }
  if (reader.entry != nullptr) {
    Enter(reader, &page);
    return true;
  }
  if (page.epoch != epoch_) return false;
  StreamReader::Replay& replay = *reader.replay;
  if (page.oldest_offset > replay.cursor + 1) {
    if (!replay.may_skip) return false;
    replay.cursor = page.oldest_offset - 1;
    reader.told = std::max(reader.told, replay.cursor);
  }
  replay.may_skip = false;
  std::vector<RecordRef> refs;
  AppendRefs(page.batch, replay.cursor, page.batch->last_offset, &refs);
  replay.cursor = std::max(replay.cursor, page.batch->last_offset);
  SendRange(reader, refs, replay.cursor);
  Continue(reader);
  return true;
}

void StreamHub::Continue(StreamReader& reader) {
  while (reader.replay != nullptr && reader.read_token == 0 && reader.waiting.empty() &&
         !reader.session->behind) {
    StreamReader::Replay& replay = *reader.replay;
    const int64_t boundary = reader.group->flushed;
    if (replay.cursor >= boundary) {
      // Nothing has matched lately: how far it is, then.
      if (reader.told < replay.cursor) {
        reader.Deliver(Build({}, reader.told + 1, replay.cursor, false), 0, host_.counters());
      }
      reader.told = replay.cursor;
      reader.replay.reset();
      EndCatchingUp();
      return;
    }
    std::vector<RecordRef> refs;
    if (!Retained(replay.cursor, boundary, &refs)) return host_.Read(reader, replay.cursor);
    replay.cursor = boundary;
    SendRange(reader, refs, boundary);
  }
}

void StreamHub::OnDrained(StreamReader& reader) {
  reader.SendWaiting(host_.counters());
  if (!reader.retry_read) Continue(reader);
}

void StreamHub::Retry(StreamReader& reader) {
  reader.retry_read = false;
  if (reader.entry != nullptr) return TryEnter(reader);
  Continue(reader);
}

bool StreamHub::Retained(int64_t after, int64_t last, std::vector<RecordRef>* refs) const {
  if (retained_.empty() || retained_.front()->first_offset > after + 1) return false;
  for (const StreamBatchPtr& batch : retained_) {
    if (batch->last_offset > after) AppendRefs(batch, after, last, refs);
  }
  return true;
}

void StreamHub::Retain(const StreamBatchPtr& batch) {
  retained_.push_back(batch);
  retained_bytes_ += BytesOf(*batch);
  while (retained_bytes_ > host_.limits().retained_bytes && retained_.size() > 1) {
    retained_bytes_ -= BytesOf(*retained_.front());
    retained_.pop_front();
  }
}

void StreamHub::Tick() {
  const int64_t now_ms = host_.NowMillis();
  for (const auto& [options, group] : groups_) {
    if (group->pending.empty() && last_ > group->flushed &&
        now_ms - group->last_frame_ms >= host_.limits().heartbeat_interval_ms) {
      Flush(*group, last_);
    }
  }
}

}  // namespace covet::edge
