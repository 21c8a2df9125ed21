#pragma once

#include <vector>

#include "common/metrics/metrics.h"

namespace covet::metrics {

// Registers the `process_*` metrics that Prometheus clients agree on, read from /proc/self at each
// scrape: CPU seconds, resident and virtual memory, open descriptors and their limit, start time,
// threads. They end with the returned registrations.
[[nodiscard]] std::vector<CallbackRegistration> AddProcessMetrics(Registry* registry);

}  // namespace covet::metrics
