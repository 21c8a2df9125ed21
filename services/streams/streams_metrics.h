#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "common/eventlog/log_metrics.h"
#include "common/metrics/metrics.h"
#include "services/streams/domain/streams_core.h"

namespace covet::streams {

// What Prometheus sees of the streams role. The core's numbers are copied on its own thread every
// tick and read by scrapes from any.
class StreamsMetrics {
 public:
  explicit StreamsMetrics(metrics::Registry* registry);

  // On the core's executor.
  void Copy(const StreamsCore& core);
  // Of the log on disk.
  eventlog::LogMetrics& log() { return log_; }

 private:
  enum Value : size_t {
    kPublished,
    kPublishedBytes,
    kDuplicates,
    kSubscriptions,
    kDelivered,
    kDeliveredBytes,
    kResets,
    kSourceStarts,
    kSourceFailures,
    kSourceGaps,
    kReaders,
    kResources,
    kInflightBytes,
    kInflightLimit,
    kSourceLagMs,
    kSourceLagBytes,
    kSourcesIdle,
    kSourcesConnecting,
    kSourcesLive,
    kSourcesFailed,
    kValues
  };
  using Values = std::array<std::atomic<int64_t>, kValues>;

  const std::shared_ptr<Values> values_ = std::make_shared<Values>();
  eventlog::LogMetrics log_;
  std::vector<metrics::CallbackRegistration> registrations_;
};

}  // namespace covet::streams
