#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "common/metrics/metrics.h"
#include "services/files/disk_blobs.h"
#include "services/files/domain/files_core.h"

namespace covet::files {

// What Prometheus sees of the files role. The core's numbers are copied on its own thread every
// tick and read by scrapes from any.
class FilesMetrics {
 public:
  explicit FilesMetrics(metrics::Registry* registry);

  // On the core's executor.
  void Copy(const FilesCore& core, const DiskBlobsCounters& disk,
            const limits::MemoryBudget& memory);

 private:
  enum Value : size_t {
    kStarted,
    kResumed,
    kCompleted,
    kCancelled,
    kExpired,
    kFailed,
    kRefused,
    kChunks,
    kChunksRepeated,
    kChunksRefused,
    kBytes,
    kProcessed,
    kProcessingFailed,
    kDeleted,
    kCommits,
    kSyncs,
    kSyncMicros,
    kReread,
    kOpenFiles,
    kOpenUploads,
    kQueuedBytes,
    kQueueBudget,
    kFiles,
    kValues
  };
  using Values = std::array<std::atomic<int64_t>, kValues>;

  const std::shared_ptr<Values> values_ = std::make_shared<Values>();
  std::vector<metrics::CallbackRegistration> registrations_;
};

}  // namespace covet::files
