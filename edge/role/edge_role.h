#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "common/server/role.h"

namespace covet::edge {

// The edge: the WebSocket and HTTP front, its sessions, and the link to rooms. A
// server::RoleFactory.
absl::StatusOr<std::unique_ptr<server::Role>> MakeEdgeRole(const server::RoleContext& context);

}  // namespace covet::edge
