#pragma once

#include "absl/status/statusor.h"
#include "covet/config/v1/config.pb.h"
#include "edge/transport/options.h"

namespace covet::edge {

// How the transport listens, as `edge` says. INVALID_ARGUMENT if `edge.listen` names a host by
// anything but an address or `localhost`.
absl::StatusOr<TransportOptions> TransportOptionsOf(const config::v1::Config& config);

}  // namespace covet::edge
