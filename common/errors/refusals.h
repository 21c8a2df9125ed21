#pragma once

#include <cstdint>
#include <string_view>

#include "absl/status/status.h"

namespace covet {

// What several services refuse with, one constructor for each reason.

// `action` as policy names it.
absl::Status PermissionDenied(std::string_view action, std::string_view resource);
// `field` is its path in the request.
absl::Status InvalidField(std::string_view field, std::string_view expected,
                          std::string_view received);
absl::Status PayloadTooLarge(int64_t limit, int64_t size);
absl::Status Unavailable(std::string_view why);
// UNAVAILABLE with the reason DISK_FULL.
absl::Status DiskIsFull();

}  // namespace covet
