#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "covet/common/v1/common.pb.h"

namespace covet::backends {

// What a backend is told in the metadata of a call of who makes it (docs/protocol.md, RPC):
//   covet-user-id, covet-session-id, covet-roles (separated by commas), covet-service-account
//   (`true` where it is one)
std::vector<std::pair<std::string, std::string>> CallerMetadata(const common::v1::Identity& caller);

// As metadata has to be: printable ASCII; other bytes, spaces and `%` are percent-encoded.
std::string MetadataValue(std::string_view text);

}  // namespace covet::backends
