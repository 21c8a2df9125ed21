#pragma once

#include <string>
#include <utility>
#include <vector>

#include "services/rpc/method.h"

namespace covet::rpc {

// What a backend is told of a call in its metadata (docs/protocol.md, RPC): who calls, and the
// correlation id. Values are printable ASCII; other bytes and `%` are percent-encoded.
//   covet-user-id, covet-session-id, covet-roles (separated by commas), covet-service-account
//   (`true` where it is one), x-correlation-id
std::vector<std::pair<std::string, std::string>> CallerMetadata(const CallRequest& request);

}  // namespace covet::rpc
