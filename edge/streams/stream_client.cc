#include "edge/streams/stream_client.h"

#include <atomic>
#include <utility>

#include "common/base/proto_time.h"
#include "common/errors/error.h"
#include "common/logging/log.h"

namespace covet::edge {
namespace {

using streams::v1::SubscribeResponse;

absl::Status Failed(std::string_view reason, std::string_view message, const StreamSource& source) {
  return MakeError(
      ErrorCode::kSubscriptionFailed, message,
      {{"reason", std::string(reason)}, {"resource_id", source.request.resource_id()}});
}

// What a Subscribe that is refused for good says to those who wait for it; OK if it is to be tried
// again.
absl::Status RefusalOf(const absl::Status& status, const StreamSource& source) {
  if (CodeOf(status) == ErrorCode::kSubscriptionFailed) return status;
  switch (status.code()) {
    // A service that has no streams yet.
    case absl::StatusCode::kUnimplemented:
    case absl::StatusCode::kNotFound:
      return Failed("RESOURCE_NOT_FOUND", "no such stream", source);
    // In a user's name, of whose roles the service knows better.
    case absl::StatusCode::kPermissionDenied:
      return status;
    case absl::StatusCode::kInvalidArgument:
      return Failed("BAD_FILTER", std::string(status.message()), source);
    default:
      return absl::OkStatus();
  }
}

StreamBatchPtr ToBatch(google::protobuf::RepeatedPtrField<streams::v1::Record>* records,
                       int64_t after, int64_t last, bool gap, int64_t now_ms) {
  auto batch = std::make_shared<StreamBatch>();
  batch->first_offset = after + 1;
  batch->last_offset = last;
  batch->gap = gap;
  batch->records.reserve(records->size());
  for (streams::v1::Record& record : *records) {
    if (record.offset() <= after) continue;
    int64_t expires_at_ms = 0;
    if (record.has_ttl()) {
      expires_at_ms = now_ms + Millis(record.ttl());
    }
    batch->records.push_back(
        {record.offset(), std::move(*record.mutable_payload()->mutable_json()), expires_at_ms});
  }
  return batch;
}

}  // namespace

// Counts the messages of one stream that the threads hold, and reads on as they let go of them.
struct StreamClient::ReadGate {
  ReadGate(StreamWire& wire, uint64_t stream, int limit)
      : wire(wire), stream(stream), limit(limit) {}

  // Whether another message may be read at once.
  bool Take() { return held.fetch_add(1) + 1 < limit; }
  void Release() {
    if (held.fetch_sub(1) == limit) wire.ReadOn(stream);
  }

  StreamWire& wire;
  const uint64_t stream;
  const int limit;
  std::atomic<int> held{0};
};

StreamClient::StreamClient(StreamClientOptions options, const Clock& clock, StreamWire& wire,
                           StreamDispatcher& dispatcher)
    : options_(options), clock_(clock), wire_(wire), dispatcher_(dispatcher) {}

StreamClient::Locked::Locked(StreamClient* client) : client_(client) { client_->mutex_.Lock(); }

StreamClient::Locked::~Locked() {
  const std::vector<std::function<void()>> calls = std::exchange(client_->calls_, {});
  client_->mutex_.Unlock();
  for (const auto& call : calls) call();
}

void StreamClient::Stop() {
  const Locked lock(this);
  stopped_ = true;
  for (const auto& [key, upstream] : upstreams_) CancelStream(*upstream);
  upstreams_.clear();
  counters_.upstreams = counters_.live = 0;
}

void StreamClient::Attach(uint32_t thread, uint64_t token, const StreamSource& source) {
  const Locked lock(this);
  const int64_t now_ms = clock_.SteadyMillis();
  if (stopped_) {
    dispatcher_.Dispatch(thread, std::make_shared<StreamItem>(AttachFailedItem{
                                     token, MakeError(ErrorCode::kUnavailable, "shutting down")}));
    return;
  }
  std::unique_ptr<Upstream>& upstream = upstreams_[source.key];
  if (upstream == nullptr) {
    upstream = std::make_unique<Upstream>(
        Upstream{next_id_++, source, Backoff(options_.min_backoff_ms, options_.max_backoff_ms)});
    ++counters_.opens;
    ++counters_.upstreams;
    Open(*upstream);
  }
  upstream->attached.push_back({thread, token, false, now_ms});
  if (upstream->state == State::kLive) Answer(*upstream, upstream->attached.back());
}

void StreamClient::Detach(uint32_t thread, const StreamSource& source) {
  const Locked lock(this);
  const auto it = upstreams_.find(source.key);
  if (it == upstreams_.end()) return;
  Upstream& upstream = *it->second;
  std::erase_if(upstream.attached, [&](const Attached& known) { return known.thread == thread; });
  if (!upstream.attached.empty()) return;
  upstream.idle_since_ms = clock_.SteadyMillis();
  // What was never live is not worth keeping.
  if (upstream.epoch.empty()) Remove(upstream);
}

void StreamClient::Read(uint32_t thread, uint64_t token, const StreamSource& source,
                        const std::string& epoch, int64_t after) {
  const Locked lock(this);
  ++counters_.reads;
  streams::v1::GetHistoryRequest request;
  request.set_stream_type(source.request.stream_type());
  request.set_resource_id(source.request.resource_id());
  if (source.request.has_filter()) *request.mutable_filter() = source.request.filter();
  request.set_after_offset(after);
  request.set_page_size(options_.page_records);
  request.set_payload_format(common::v1::PAYLOAD_FORMAT_JSON);
  request.set_epoch(epoch);
  calls_.emplace_back(
      [this, thread, token, after, request = std::move(request), identity = source.identity] {
        wire_.Read(request, identity,
                   [this, thread, token, after](absl::Status status,
                                                streams::v1::GetHistoryResponse response) {
                     PageItem page;
                     page.token = token;
                     page.status = std::move(status);
                     page.epoch = response.epoch();
                     page.oldest_offset = response.first_offset();
                     page.head_offset = response.head_offset();
                     page.batch = ToBatch(response.mutable_records(), after, response.last_offset(),
                                          false, clock_.SteadyMillis());
                     const absl::MutexLock lock(&mutex_);
                     if (stopped_) return;
                     dispatcher_.Dispatch(thread, std::make_shared<StreamItem>(std::move(page)));
                   });
      });
}

void StreamClient::Tick() {
  const Locked lock(this);
  const int64_t now_ms = clock_.SteadyMillis();
  std::vector<Upstream*> over;
  for (const auto& [key, held] : upstreams_) {
    Upstream& upstream = *held;
    if (upstream.attached.empty()) {
      if (now_ms - upstream.idle_since_ms >= options_.linger_ms) over.push_back(&upstream);
      continue;
    }
    if (upstream.state == State::kLive) continue;
    const absl::Status down = Failed("SOURCE_DOWN", "streams cannot be reached", upstream.source);
    FailWaiting(upstream, down,
                now_ms - (upstream.state == State::kBackoff ? options_.away_timeout_ms
                                                            : options_.open_timeout_ms));
    if (upstream.attached.empty()) {
      upstream.idle_since_ms = now_ms;
      if (upstream.epoch.empty()) over.push_back(&upstream);
      continue;
    }
    if (upstream.state == State::kBackoff && now_ms >= upstream.next_open_ms) Open(upstream);
  }
  for (Upstream* upstream : over) Remove(*upstream);
}

StreamClient::Upstream* StreamClient::Find(uint64_t stream) {
  const auto it = by_stream_.find(stream);
  return it == by_stream_.end() ? nullptr : it->second;
}

void StreamClient::Open(Upstream& upstream) {
  upstream.state = State::kOpening;
  upstream.stream = next_id_++;
  by_stream_[upstream.stream] = &upstream;
  streams::v1::SubscribeRequest request = upstream.source.request;
  if (!upstream.epoch.empty()) {
    request.mutable_resume()->set_epoch(upstream.epoch);
    request.mutable_resume()->set_offset(upstream.last);
  }
  calls_.emplace_back(
      [this, stream = upstream.stream, request = std::move(request),
       identity = upstream.source.identity] { wire_.Open(stream, request, identity); });
}

void StreamClient::CancelStream(Upstream& upstream) {
  if (upstream.state == State::kLive) --counters_.live;
  if (by_stream_.erase(upstream.stream) == 0) return;
  calls_.emplace_back([this, stream = upstream.stream] { wire_.Cancel(stream); });
}

void StreamClient::BackOff(Upstream& upstream) {
  if (upstream.state == State::kLive) --counters_.live;
  by_stream_.erase(upstream.stream);
  upstream.state = State::kBackoff;
  upstream.next_open_ms = clock_.SteadyMillis() + upstream.backoff.NextMs();
}

void StreamClient::Answer(Upstream& upstream, Attached& attached) {
  attached.answered = true;
  dispatcher_.Dispatch(attached.thread,
                       std::make_shared<StreamItem>(AttachedItem{attached.token, upstream.id,
                                                                 upstream.epoch, upstream.last}));
}

void StreamClient::FailWaiting(Upstream& upstream, const absl::Status& status,
                               int64_t waiting_since_ms) {
  std::erase_if(upstream.attached, [&](const Attached& waiting) {
    if (waiting.answered || waiting.since_ms > waiting_since_ms) return false;
    dispatcher_.Dispatch(waiting.thread,
                         std::make_shared<StreamItem>(AttachFailedItem{waiting.token, status}));
    return true;
  });
}

void StreamClient::End(Upstream& upstream, const std::string& reason) {
  ++counters_.ended;
  log::Info("stream_ended",
            {{"resource_id", upstream.source.request.resource_id()}, {"reason", reason}});
  const auto item = std::make_shared<StreamItem>(EndedItem{upstream.id, reason});
  std::erase_if(upstream.attached, [&](const Attached& attached) {
    if (attached.answered) dispatcher_.Dispatch(attached.thread, item);
    return attached.answered;
  });
  if (reason == "removed") {
    FailWaiting(upstream, Failed("RESOURCE_NOT_FOUND", "no such stream", upstream.source),
                INT64_MAX);
  } else if (reason == "permission_revoked") {
    FailWaiting(upstream, MayNotRead(upstream.source), INT64_MAX);
  }
  if (upstream.attached.empty()) return Remove(upstream);
  // Those who wait have been told nothing yet: they get the log as it is now.
  CancelStream(upstream);
  upstream.id = next_id_++;
  upstream.epoch.clear();
  Open(upstream);
}

void StreamClient::Remove(Upstream& upstream) {
  CancelStream(upstream);
  --counters_.upstreams;
  const std::string key = upstream.source.key;
  upstreams_.erase(key);
}

void StreamClient::OnMessage(uint64_t stream, SubscribeResponse message) {
  // Let go of only once the lock is: the last to do so reads on.
  StreamItemPtr item;
  const Locked lock(this);
  Upstream* upstream = Find(stream);
  if (upstream == nullptr) {
    calls_.emplace_back([this, stream] { wire_.Cancel(stream); });
    return;
  }
  switch (message.kind_case()) {
    case SubscribeResponse::kOpened:
      OnOpened(*upstream, message.opened());
      break;
    case SubscribeResponse::kBatch:
      OnBatch(*upstream, std::move(*message.mutable_batch()), &item);
      break;
    case SubscribeResponse::kClosed: {
      const std::string& reason = message.closed().reason();
      if (reason == "per_user") {
        FailWaiting(*upstream, Failed(kPerUser, "followed by its users", upstream->source),
                    INT64_MAX);
        return Remove(*upstream);
      }
      return End(*upstream, reason);
    }
    default:
      break;
  }
  // Without an item nobody holds the message.
  if (item == nullptr) calls_.emplace_back([this, stream] { wire_.ReadOn(stream); });
}

void StreamClient::OnOpened(Upstream& upstream, const streams::v1::SubscriptionOpened& opened) {
  if (!upstream.epoch.empty() && (opened.epoch() != upstream.epoch || !opened.recovered())) {
    return End(upstream, "reset");
  }
  if (upstream.epoch.empty()) {
    upstream.epoch = opened.epoch();
    upstream.last = opened.offset();
  } else {
    ++counters_.reopens;
  }
  upstream.state = State::kLive;
  upstream.backoff.Reset();
  ++counters_.live;
  for (Attached& attached : upstream.attached) {
    if (!attached.answered) Answer(upstream, attached);
  }
}

void StreamClient::OnBatch(Upstream& upstream, streams::v1::RecordBatch batch,
                           StreamItemPtr* item) {
  if (upstream.state != State::kLive || batch.last_offset() < upstream.last ||
      (batch.last_offset() == upstream.last && !batch.gap())) {
    return;
  }
  if (batch.first_offset() > upstream.last + 1) {
    // What is missing is read by going on behind what was handed out.
    CancelStream(upstream);
    upstream.state = State::kBackoff;
    upstream.next_open_ms = clock_.SteadyMillis();
    return;
  }
  ++counters_.batches;
  std::shared_ptr<ReadGate>& gate = upstream.gate;
  if (gate == nullptr || gate->stream != upstream.stream) {
    gate = std::make_shared<ReadGate>(wire_, upstream.stream, options_.read_ahead);
  }
  StreamBatchPtr records = ToBatch(batch.mutable_records(), upstream.last, batch.last_offset(),
                                   batch.gap(), clock_.SteadyMillis());
  counters_.records += static_cast<int64_t>(records->records.size());
  upstream.last = batch.last_offset();
  if (gate->Take()) {
    calls_.emplace_back([this, stream = upstream.stream] { wire_.ReadOn(stream); });
  }
  *item = std::make_shared<StreamItem>(BatchItem{upstream.id, std::move(records)},
                                       [gate] { gate->Release(); });
  for (const Attached& attached : upstream.attached) {
    if (attached.answered) dispatcher_.Dispatch(attached.thread, *item);
  }
}

void StreamClient::OnDown(uint64_t stream, const absl::Status& status) {
  const Locked lock(this);
  Upstream* upstream = Find(stream);
  if (upstream == nullptr) return;
  const bool was_live = !upstream->epoch.empty();
  const absl::Status refusal = status.ok() ? status : RefusalOf(status, upstream->source);
  if (!refusal.ok() && !was_live) {
    FailWaiting(*upstream, refusal, INT64_MAX);
    return Remove(*upstream);
  }
  // A source that is down may come back, and nothing is lost meanwhile.
  if (!refusal.ok() && DetailsOf(refusal)["reason"] != "SOURCE_DOWN") {
    switch (status.code()) {
      case absl::StatusCode::kNotFound:
        return End(*upstream, "removed");
      case absl::StatusCode::kPermissionDenied:
        return End(*upstream, "permission_revoked");
      default:
        return End(*upstream, "reset");
    }
  }
  if (was_live) {
    log::Warning("stream_interrupted", {{"resource_id", upstream->source.request.resource_id()},
                                        {"error", std::string(status.message())}});
  }
  BackOff(*upstream);
}

StreamClientCounters StreamClient::counters() const {
  const absl::MutexLock lock(&mutex_);
  return counters_;
}

}  // namespace covet::edge
