#pragma once

#include <string_view>

#include "absl/status/status.h"
#include "common/errors/refusals.h"

namespace covet::streams {

// What the streams service refuses with beside common/errors/refusals.h. `resource` is
// `<stream_type>:<resource_id>`.

absl::Status ResourceNotFound(std::string_view resource);
absl::Status EpochChanged(std::string_view resource);

// SUBSCRIPTION_FAILED with `reason` in its details: RESOURCE_NOT_FOUND, BAD_FILTER or SOURCE_DOWN.
absl::Status SubscriptionFailed(std::string_view reason, std::string_view message);

}  // namespace covet::streams
