#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "covet/config/v1/services.pb.h"
#include "covet/streams/v1/streams.pb.h"

namespace covet::streams::backend {

// The request of a backend's stream as JSON: what configuration says, and over it the values that
// `filter` compares with `eq` in the fields that `filter_fields` names.
absl::StatusOr<std::string> StreamRequest(const config::v1::BackendStreamSourceConfig& config,
                                          const v1::Filter& filter);

}  // namespace covet::streams::backend
