#include "services/streams/publish_stream.h"

#include <utility>

#include "services/streams/publish_records.h"

namespace covet::streams {

void PublishStreamCall::Start(const ServiceTools& tools, std::shared_ptr<Stream> stream) {
  std::make_shared<PublishStreamCall>(tools, std::move(stream))->Read();
}

void PublishStreamCall::Read() {
  stream_->Read(
      [call = shared_from_this()](v1::PublishRequest* message) { call->OnMessage(message); });
}

void PublishStreamCall::OnMessage(const v1::PublishRequest* message) {
  if (message == nullptr) {
    {
      const std::lock_guard lock(mutex_);
      read_all_ = true;
    }
    return EndIfDone();
  }
  auto records = ToRecords(*message, caller_.identity->user_id(), tools_.clock.WallMillis());
  if (!records.ok()) return stream_->End(records.status());
  const auto bytes = static_cast<int64_t>((*records)->bytes());
  bool full = false;
  {
    const std::lock_guard lock(mutex_);
    ++batches_;
    queued_bytes_ += bytes;
    full = waiting_ = queued_bytes_ > kQueueBytes;
  }
  tools_.executor.Post([call = shared_from_this(), type = message->stream_type(),
                        id = message->resource_id(), records = *records, bytes] {
    call->tools_.core.Publish(
        call->caller_, type, id, std::move(*records),
        [call, bytes](absl::StatusOr<std::pair<std::string, Appended>> published) {
          call->OnAppended(bytes, published.ok() ? absl::StatusOr<Appended>(published->second)
                                                 : published.status());
        });
  });
  if (!full) Read();
}

void PublishStreamCall::OnAppended(int64_t bytes, const absl::StatusOr<Appended>& appended) {
  if (!appended.ok()) return stream_->End(appended.status());
  bool read = false;
  {
    const std::lock_guard lock(mutex_);
    --batches_;
    queued_bytes_ -= bytes;
    totals_.set_appended(totals_.appended() + appended->appended);
    totals_.set_duplicates(totals_.duplicates() + appended->duplicates);
    read = waiting_ && queued_bytes_ <= kQueueBytes / 2;
    if (read) waiting_ = false;
  }
  if (read) return Read();
  EndIfDone();
}

void PublishStreamCall::EndIfDone() {
  v1::PublishStreamResponse totals;
  {
    const std::lock_guard lock(mutex_);
    if (!read_all_ || batches_ > 0) return;
    totals = totals_;
  }
  stream_->End(absl::OkStatus(), std::move(totals));
}

}  // namespace covet::streams
