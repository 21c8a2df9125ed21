#include "services/streams/domain/errors.h"

#include <string>

#include "common/errors/error.h"

namespace covet::streams {

absl::Status ResourceNotFound(std::string_view resource) {
  return MakeError(ErrorCode::kNotFound, "There is no stream " + std::string(resource),
                   {{"reason", "RESOURCE_NOT_FOUND"}, {"resource", std::string(resource)}});
}

absl::Status EpochChanged(std::string_view resource) {
  return MakeError(ErrorCode::kEpochChanged,
                   "The log of " + std::string(resource) + " has begun anew",
                   {{"resource", std::string(resource)}});
}

absl::Status SubscriptionFailed(std::string_view reason, std::string_view message) {
  return MakeError(ErrorCode::kSubscriptionFailed, message, {{"reason", std::string(reason)}});
}

}  // namespace covet::streams
