#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "common/server/role.h"

namespace covet::files {

// The files role: uploads, processing and downloads. Its API is served and answers
// UNIMPLEMENTED to authenticated callers, UNAUTHENTICATED to others. A server::RoleFactory.
absl::StatusOr<std::unique_ptr<server::Role>> MakeFilesRole(const server::RoleContext& context);

}  // namespace covet::files
