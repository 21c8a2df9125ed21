#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "services/files/domain/metadata.h"

namespace covet::files {

// Metadata in an SQLite file (WAL, synchronous=FULL), made if missing. FAILED_PRECONDITION if the
// file is something else. May be used on another thread than the one that opened it.
absl::StatusOr<std::unique_ptr<Metadata>> OpenSqliteMetadata(const std::string& path);

}  // namespace covet::files
