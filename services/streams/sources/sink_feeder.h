#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "common/base/clock.h"
#include "common/base/wake_fd.h"
#include "services/streams/domain/source.h"

namespace covet::streams {

// How a source with a thread of its own hands in records: whatever there is at once while nothing
// is being committed, else in batches of about 256 KiB. Used on that thread only; what commits tell
// it wakes `wake_fd`. May go before its commits do.
class SinkFeeder {
 public:
  SinkFeeder(std::shared_ptr<SourceSink> sink, const Clock& clock)
      : sink_(std::move(sink)), clock_(clock), batch_(clock.WallMillis()) {}

  SourceSink& sink() { return *sink_; }
  // What is handed in next.
  RecordBuffer& batch() { return *batch_; }

  // Whether the log has enough for now: add nothing until it has committed what it was given.
  bool Blocked() {
    if (blocked_ && !committing()) blocked_ = false;
    return blocked_;
  }
  bool committing() const { return progress_->in_flight.load() != 0; }
  // Whether the batch should go though more can be added at once.
  bool Full() const { return batch_->bytes() >= kBatchBytes; }
  // Whether it should go when there is nothing to add.
  bool Due() const { return Full() || (!batch_->empty() && !committing()); }
  // Hands in the batch, which may be empty, with the source's position behind it. `mark` is the
  // caller's own name for that position, see `kept`. False when the run is over.
  bool Flush(std::string position, uint64_t mark) {
    RecordBuffer batch = *std::move(batch_);
    batch_.emplace(clock_.WallMillis());
    batch.SetPosition(std::move(position));
    progress_->in_flight.fetch_add(1);
    const SourceAppend result =
        sink_->Append(std::move(batch), [progress = progress_, mark](absl::Status status) {
          // After a failure the run ends, and this position with it.
          if (status.ok()) progress->kept = mark;
          progress->in_flight.fetch_sub(1);
          progress->wake.Wake();
        });
    if (result == SourceAppend::kBackpressure) blocked_ = true;
    return result != SourceAppend::kRefused;
  }

  // The mark of the newest batch that is committed; what SetKept said before the first.
  uint64_t kept() const { return progress_->kept.load(); }
  void SetKept(uint64_t mark) { progress_->kept = mark; }

  // Readable after a commit, until cleared.
  int wake_fd() const { return progress_->wake.fd(); }
  void ClearWake() { progress_->wake.Clear(); }

 private:
  static constexpr size_t kBatchBytes = 256 << 10;

  struct Progress {
    WakeFd wake;
    std::atomic<uint64_t> kept{0};
    std::atomic<int> in_flight{0};
  };

  const std::shared_ptr<SourceSink> sink_;
  const Clock& clock_;
  const std::shared_ptr<Progress> progress_ = std::make_shared<Progress>();
  std::optional<RecordBuffer> batch_;
  bool blocked_ = false;
};

}  // namespace covet::streams
