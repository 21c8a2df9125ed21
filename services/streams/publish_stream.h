#pragma once

#include <cstdint>
#include <memory>
#include <mutex>

#include "absl/base/thread_annotations.h"
#include "common/server/client_stream.h"
#include "services/streams/stream_service.h"

namespace covet::streams {

// One call of PublishStream: appends batch after batch, several under way at once, and answers when
// the caller has ended its side and all are committed. The first batch that fails ends it.
//
// The bound: beyond kQueueBytes under way no further message is read, which holds the caller up.
class PublishStreamCall final : public std::enable_shared_from_this<PublishStreamCall> {
 public:
  using Stream = server::ClientStream<v1::PublishRequest, v1::PublishStreamResponse>;
  static constexpr int64_t kQueueBytes = 4 << 20;

  static void Start(const ServiceTools& tools, std::shared_ptr<Stream> stream);

  PublishStreamCall(const ServiceTools& tools, std::shared_ptr<Stream> stream)
      : tools_(tools), stream_(std::move(stream)), caller_(CallerOf(stream_->info())) {}

 private:
  void Read();
  void OnMessage(const v1::PublishRequest* message);
  void OnAppended(int64_t bytes, const absl::StatusOr<Appended>& appended);
  // Ends the call if nothing more can come.
  void EndIfDone();

  const ServiceTools tools_;
  const std::shared_ptr<Stream> stream_;
  const StreamCaller caller_;

  std::mutex mutex_;
  int64_t queued_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t batches_ ABSL_GUARDED_BY(mutex_) = 0;   // Under way.
  bool waiting_ ABSL_GUARDED_BY(mutex_) = false;  // A read is owed once there is room.
  bool read_all_ ABSL_GUARDED_BY(mutex_) = false;
  v1::PublishStreamResponse totals_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace covet::streams
