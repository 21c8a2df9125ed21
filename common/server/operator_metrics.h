#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/metrics/metrics.h"
#include "covet/config/v1/config.pb.h"

namespace covet::server {

// Registers what can end a process from outside and is seen coming: the room left where
// `storage.data_dir` lies (asked for at each scrape; only where a role keeps something there), and
// when the certificates in use expire (read once, as the servers do). They end with the returned
// registrations.
[[nodiscard]] std::vector<metrics::CallbackRegistration> AddOperatorMetrics(
    metrics::Registry* registry, const config::v1::Config& config);

// When the first certificate of a PEM file expires, in seconds since the Unix epoch.
// INVALID_ARGUMENT if there is none.
absl::StatusOr<int64_t> CertificateExpiry(const std::string& path);

}  // namespace covet::server
