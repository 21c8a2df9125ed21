#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "google/protobuf/descriptor.pb.h"

namespace covet::config {

// docs/configuration.md: every key with its type, default, bounds and the comment of its
// declaration. `protos` is a descriptor set with source info. FAILED_PRECONDITION names a field
// that has no comment.
absl::StatusOr<std::string> ConfigurationPage(const google::protobuf::FileDescriptorSet& protos);

}  // namespace covet::config
