#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "common/server/role.h"

namespace covet::rooms {

// The rooms role: rooms, members, presence, room history, notifications. Opens its stores below
// `storage.data_dir`. A server::RoleFactory.
absl::StatusOr<std::unique_ptr<server::Role>> MakeRoomsRole(const server::RoleContext& context);

}  // namespace covet::rooms
