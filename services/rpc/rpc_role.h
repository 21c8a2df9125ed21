#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "common/server/role.h"

namespace covet::rpc {

// The rpc role: the registry of methods, and calls of backends, of our own services and of what is
// built in. A server::RoleFactory.
absl::StatusOr<std::unique_ptr<server::Role>> MakeRpcRole(const server::RoleContext& context);

}  // namespace covet::rpc
