#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "common/server/role.h"

namespace covet::rpc {

// The rpc role: the method registry, transcoding and calls of backends. Its API is served and
// answers UNIMPLEMENTED to authenticated callers, UNAUTHENTICATED to others. A server::RoleFactory.
absl::StatusOr<std::unique_ptr<server::Role>> MakeRpcRole(const server::RoleContext& context);

}  // namespace covet::rpc
