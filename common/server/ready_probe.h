#pragma once

#include <string>

#include "absl/status/status.h"

namespace covet::server {

// Asks the process whose admin server listens on `listen` (the configured address, 0.0.0.0 and ::
// too) whether it is ready. OK if it is; UNAVAILABLE with what it said, if anything, otherwise.
// Blocks, for kReadyProbeMs at most.
absl::Status ProbeReady(const std::string& listen);

inline constexpr int kReadyProbeMs = 4'000;

}  // namespace covet::server
