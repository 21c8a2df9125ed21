#include "common/errors/refusals.h"

#include <string>

#include "common/errors/error.h"

namespace covet {

absl::Status PermissionDenied(std::string_view action, std::string_view resource) {
  return MakeError(ErrorCode::kPermissionDenied,
                   "You may not " + std::string(action) + " on " + std::string(resource),
                   {{"action", std::string(action)}, {"resource", std::string(resource)}});
}

absl::Status InvalidField(std::string_view field, std::string_view expected,
                          std::string_view received) {
  return MakeError(ErrorCode::kInvalidArgument,
                   std::string(field) + " must be " + std::string(expected),
                   {{"field", std::string(field)},
                    {"expected", std::string(expected)},
                    {"received", std::string(received)}});
}

absl::Status PayloadTooLarge(int64_t limit, int64_t size) {
  return MakeError(ErrorCode::kMessageTooLarge,
                   "A payload may have " + std::to_string(limit) + " bytes, this one has " +
                       std::to_string(size),
                   {{"limit", std::to_string(limit)}, {"size", std::to_string(size)}});
}

absl::Status DiskIsFull() {
  return MakeError(ErrorCode::kUnavailable, "the disk is full", {{"reason", "DISK_FULL"}});
}

absl::Status Unavailable(std::string_view why) { return MakeError(ErrorCode::kUnavailable, why); }

}  // namespace covet
