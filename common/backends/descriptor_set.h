#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "covet/config/v1/config.pb.h"
#include "google/protobuf/descriptor.pb.h"

namespace covet::backends {

// The files of a FileDescriptorSet. NOT_FOUND if it cannot be read, INVALID_ARGUMENT if it is none.
absl::StatusOr<std::vector<google::protobuf::FileDescriptorProto>> ReadDescriptorSet(
    const std::string& path);

// Checks what configuration says against the descriptor sets that it names: that they are there and
// whole, hold the services and idempotent methods that are offered and the server-streaming methods
// that streams come from, and that no two methods would be called by one name. Calls `fail` with
// the key and what is wrong with it, for each problem. Only where a role runs that uses backends.
void CheckDescriptorSets(
    const config::v1::Config& config,
    const std::function<void(const std::string& key, const std::string& what)>& fail);

}  // namespace covet::backends
