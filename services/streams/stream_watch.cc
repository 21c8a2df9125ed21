#include "services/streams/stream_watch.h"

#include <algorithm>
#include <utility>

#include "common/errors/error.h"
#include "common/payload/struct_json.h"
#include "services/streams/domain/errors.h"

namespace covet::streams {
namespace {

constexpr int64_t kPageBytes = 256 << 10;

// As a subscribe's refusal.
absl::Status BadFilter(const absl::Status& status) {
  ErrorDetails details = DetailsOf(status);
  details["reason"] = "BAD_FILTER";
  return MakeError(ErrorCode::kSubscriptionFailed, std::string(status.message()),
                   std::move(details));
}

}  // namespace

void StreamWatch::Start(const ServiceTools& tools, const v1::SubscribeRequest& request,
                        const std::shared_ptr<Stream>& stream) {
  absl::StatusOr<CompiledFilter> filter = CompiledFilter::Compile(request.filter());
  if (!filter.ok()) return stream->End(BadFilter(filter.status()));
  auto watch = std::make_shared<StreamWatch>(tools, request, stream, *std::move(filter));
  stream->OnClosed(
      [watch, &executor = tools.executor] { executor.Post([watch] { watch->Close(); }); });
  tools.executor.Post([watch] { watch->Begin(); });
}

StreamWatch::StreamWatch(const ServiceTools& tools, const v1::SubscribeRequest& request,
                         std::shared_ptr<Stream> stream, CompiledFilter filter)
    : tools_(tools), request_(request), stream_(std::move(stream)), filter_(std::move(filter)) {
  caller = CallerOf(stream_->info());
}

void StreamWatch::Begin() {
  if (over_) return;
  self_ = shared_from_this();
  tools_.core.Follow(request_, this, [this](absl::StatusOr<StreamsCore::FollowStart> start) {
    const std::shared_ptr<StreamWatch> keep = self_;
    OnStarted(std::move(start));
  });
}

void StreamWatch::OnStarted(absl::StatusOr<StreamsCore::FollowStart> start) {
  started_ = true;
  if (!start.ok()) {
    self_.reset();
    return stream_->End(start.status());
  }
  if (start->per_user) return OnClosed("per_user");
  followed_ = start->stream;
  if (over_) return Close();
  cursor_ = sent_ = start->cursor;
  v1::SubscribeResponse response;
  response.mutable_opened()->set_epoch(std::move(start->epoch));
  response.mutable_opened()->set_offset(start->head);
  response.mutable_opened()->set_recovered(start->recovered);
  stream_->Send(std::move(response));
  Read();
}

void StreamWatch::Read() {
  if (over_ || busy_ || followed_ == nullptr || cursor_ >= followed_->log->head()) return;
  busy_ = true;
  followed_->log->Read(cursor_, kPageBytes,
                       [watch = shared_from_this()](absl::StatusOr<StreamPage> page) {
                         if (!watch->over_) watch->OnPage(std::move(page));
                       });
}

void StreamWatch::OnPage(absl::StatusOr<StreamPage> page) {
  if (page.status().code() == absl::StatusCode::kUnavailable) {
    // The log is behind but holds the records. OnTick asks again.
    busy_ = false;
    return;
  }
  // What was evicted before it could be read is lost: the caller begins anew.
  if (!page.ok() || page->after > cursor_) {
    tools_.core.CountReset();
    return OnClosed("reset");
  }
  tools_.delivery.Post([watch = shared_from_this(), page = *std::move(page), sent = sent_] {
    watch->Deliver(page, sent);
  });
}

void StreamWatch::Deliver(const StreamPage& page, int64_t sent_offset) {
  const int64_t now = tools_.clock.WallMillis();
  Delivered delivered{.read_offset = page.last_offset, .sent_offset = sent_offset};
  v1::SubscribeResponse response;
  v1::RecordBatch* batch = nullptr;
  // One message a page: a large block and the records before a gap are read again from where it
  // ends.
  bool full = false;
  for (const RecordBlock& block : page.blocks) {
    block.ForEachAfter(page.after, [&](int64_t offset, const StoredRecord& record) {
      full |= delivered.bytes >= kPageBytes || (record.gap && batch != nullptr);
      if (full) {
        delivered.read_offset = std::min(delivered.read_offset, offset - 1);
        return false;
      }
      if (record.gap) {
        batch = response.mutable_batch();
        batch->set_gap(true);
      }
      if (!IsAlive(record, now) || !filter_.Passes(record.json)) return true;
      batch = response.mutable_batch();
      AddRecord(offset, record, now, batch);
      ++delivered.records;
      delivered.bytes += static_cast<int64_t>(record.json.size());
      return true;
    });
  }
  if (batch != nullptr) {
    batch->set_first_offset(sent_offset + 1);
    batch->set_last_offset(delivered.read_offset);
    delivered.sent_offset = delivered.read_offset;
    delivered.refused = stream_->Send(std::move(response)) == server::StreamSend::kRefused;
  }
  stream_->OnDrained([watch = shared_from_this(), delivered] {
    watch->tools_.executor.Post([watch, delivered] { watch->OnDelivered(delivered); });
  });
}

void StreamWatch::AddRecord(int64_t offset, const StoredRecord& record, int64_t now_ms,
                            v1::RecordBatch* batch) const {
  v1::Record& added = *batch->add_records();
  added.set_offset(offset);
  SetTtl(record, now_ms, &added);
  if (request_.payload_format() == common::v1::PAYLOAD_FORMAT_JSON) {
    added.mutable_payload()->set_json(record.json.data(), record.json.size());
  } else {
    payload::JsonToPayload(record.json, request_.payload_format(), added.mutable_payload());
  }
}

void StreamWatch::OnDelivered(const Delivered& delivered) {
  tools_.core.CountDelivered(delivered.records, delivered.bytes);
  if (over_) return;
  busy_ = false;
  cursor_ = delivered.read_offset;
  sent_ = delivered.sent_offset;
  if (delivered.refused) return OnClosed("reset");
  Read();
}

void StreamWatch::OnTick() {
  // After a page that could not be read, this is the next attempt; else there is nothing to read.
  Read();
  if (over_ || busy_ || followed_ == nullptr || sent_ >= cursor_) return;
  // Nothing passed the filter for a while: tell how far that holds.
  v1::SubscribeResponse response;
  response.mutable_batch()->set_first_offset(sent_ + 1);
  response.mutable_batch()->set_last_offset(cursor_);
  sent_ = cursor_;
  stream_->Send(std::move(response));
}

void StreamWatch::OnClosed(const std::string& reason) {
  if (over_) return;
  v1::SubscribeResponse response;
  response.mutable_closed()->set_reason(reason);
  stream_->Send(std::move(response));
  stream_->End(absl::OkStatus());
  Close();
}

void StreamWatch::Close() {
  over_ = true;
  if (followed_ != nullptr) tools_.core.Unfollow(followed_, this);
  followed_ = nullptr;
  // The last use of this object, which may go with it. While a start is awaited the core still
  // points here.
  if (started_) self_.reset();
}

}  // namespace covet::streams
