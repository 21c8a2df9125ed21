#pragma once

#include <string>
#include <vector>

#include "common/metrics/metrics.h"

namespace covet::metrics {

// What breaks the naming rules at the top of metrics.h, one sentence each; empty if nothing does.
std::vector<std::string> ConventionViolations(const std::vector<MetricInfo>& metrics);

}  // namespace covet::metrics
