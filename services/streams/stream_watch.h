#pragma once

#include <memory>
#include <string>

#include "common/server/server_stream.h"
#include "services/streams/domain/filter.h"
#include "services/streams/stream_service.h"

namespace covet::streams {

// One call of Subscribe: reads the log as fast as its caller takes it. What is appended while a
// page is on its way makes the next one. Lives on the core's executor; pages are filtered and
// written on the delivery executor, one at a time.
class StreamWatch final : public StreamFollower, public std::enable_shared_from_this<StreamWatch> {
 public:
  using Stream = server::ServerStream<v1::SubscribeResponse>;

  static void Start(const ServiceTools& tools, const v1::SubscribeRequest& request,
                    const std::shared_ptr<Stream>& stream);

  StreamWatch(const ServiceTools& tools, const v1::SubscribeRequest& request,
              std::shared_ptr<Stream> stream, CompiledFilter filter);

  void OnAdvance() override { Read(); }
  void OnTick() override;
  void OnClosed(const std::string& reason) override;

 private:
  // What the delivery of one page came to.
  struct Delivered {
    int64_t read_offset = 0;  // How far it was looked at.
    int64_t sent_offset = 0;
    int64_t records = 0;
    int64_t bytes = 0;
    bool refused = false;
  };

  void Begin();
  void OnStarted(absl::StatusOr<StreamsCore::FollowStart> start);
  void Read();
  void OnPage(absl::StatusOr<StreamPage> page);
  void OnDelivered(const Delivered& delivered);
  void Close();

  // On the delivery executor.
  void Deliver(const StreamPage& page, int64_t sent_offset);
  void AddRecord(int64_t offset, const StoredRecord& record, int64_t now_ms,
                 v1::RecordBatch* batch) const;

  const ServiceTools tools_;
  const v1::SubscribeRequest request_;
  const std::shared_ptr<Stream> stream_;
  CompiledFilter filter_;  // The delivery executor's.
  StreamPtr followed_;
  int64_t cursor_ = 0;    // How far the log was read.
  int64_t sent_ = 0;      // How far the caller was told.
  bool busy_ = false;     // A page is being read or delivered.
  bool started_ = false;  // The core has answered.
  bool over_ = false;
  // While it is followed the core points here.
  std::shared_ptr<StreamWatch> self_;
};

}  // namespace covet::streams
