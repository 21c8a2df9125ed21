#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "common/eventlog/log_metrics.h"
#include "common/metrics/metrics.h"
#include "services/rooms/domain/rooms_core.h"

namespace covet::rooms {

// What Prometheus sees of the rooms role. The core's numbers are copied on its own thread every
// tick and read by scrapes from any.
class RoomsMetrics {
 public:
  explicit RoomsMetrics(metrics::Registry* registry);

  // On the core's executor.
  void Copy(const RoomsCore& core);
  // Of the log on disk.
  eventlog::LogMetrics& log() { return log_; }

 private:
  enum Value : size_t {
    kPublished,
    kDuplicates,
    kJoins,
    kLinkItems,
    kLinkDropped,
    kLeasesExpired,
    kNotifications,
    kRooms,
    kSessions,
    kEdges,
    kInflightBytes,
    kInflightLimit,
    kValues
  };
  using Values = std::array<std::atomic<int64_t>, kValues>;

  const std::shared_ptr<Values> values_ = std::make_shared<Values>();
  eventlog::LogMetrics log_;
  std::vector<metrics::CallbackRegistration> registrations_;
};

}  // namespace covet::rooms
