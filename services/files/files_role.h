#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "common/server/role.h"

namespace covet::files {

// The files role: uploads, processing and downloads; a server::RoleFactory. Keeps everything in
// `<data_dir>/files`, which one process at a time may use.
absl::StatusOr<std::unique_ptr<server::Role>> MakeFilesRole(const server::RoleContext& context);

}  // namespace covet::files
