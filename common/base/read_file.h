#pragma once

#include <string>

#include "absl/status/statusor.h"

namespace covet {

// The whole of a file. NotFoundError if it is not there, FailedPreconditionError if it cannot be
// read or is a directory; either says why. Thread-safe.
absl::StatusOr<std::string> ReadFile(const std::string& path);

}  // namespace covet
