#pragma once

#include <memory>
#include <vector>

#include "common/metrics/metrics.h"
#include "edge/files/file_downloads.h"
#include "edge/role/edge_worker.h"

namespace covet::edge {

// Registers what an edge with files counts, in `out`, which must go before what it is read from.
void AddFilesMetrics(metrics::Registry& registry,
                     const std::vector<std::unique_ptr<EdgeWorker>>& workers,
                     const FileDownloads& downloads,
                     std::vector<metrics::CallbackRegistration>* out);

}  // namespace covet::edge
