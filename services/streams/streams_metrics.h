#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "common/eventlog/sqlite_event_log.h"
#include "common/metrics/metrics.h"
#include "services/streams/domain/streams_core.h"

namespace covet::streams {

// What Prometheus sees of the streams role. The core's numbers are copied on its own thread every
// tick and read by scrapes from any.
class StreamsMetrics final : public eventlog::SqliteLogObserver {
 public:
  explicit StreamsMetrics(metrics::Registry* registry);

  // On the core's executor.
  void Copy(const StreamsCore& core);

  void OnCommit(const Commit& commit) override;
  void OnRefusedWrite() override { refused_writes_.Add(); }

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
    kSourcesIdle,
    kSourcesConnecting,
    kSourcesLive,
    kSourcesFailed,
    kValues
  };
  using Values = std::array<std::atomic<int64_t>, kValues>;

  const std::shared_ptr<Values> values_ = std::make_shared<Values>();
  metrics::Histogram commit_seconds_;
  metrics::Counter commits_;
  metrics::Counter records_;
  metrics::Counter refused_writes_;
  metrics::Gauge wal_bytes_;
  std::vector<metrics::CallbackRegistration> registrations_;
};

}  // namespace covet::streams
