#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "common/server/role.h"

namespace covet::streams {

// The streams role: sources, filters and the history of streams. Opens its store below
// `storage.data_dir`. A server::RoleFactory.
absl::StatusOr<std::unique_ptr<server::Role>> MakeStreamsRole(const server::RoleContext& context);

}  // namespace covet::streams
