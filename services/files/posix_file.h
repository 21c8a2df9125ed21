#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/base/fd.h"

namespace covet::files {

// NOT_FOUND for ENOENT, RESOURCE_EXHAUSTED where there is no room, else INTERNAL; from errno.
absl::Status PosixError(std::string_view what, const std::string& path);

absl::StatusOr<Fd> OpenFile(const std::string& path, int flags);
// All of it, at that offset.
absl::Status WriteAt(int fd, int64_t offset, std::string_view data);
// Fills `size` bytes, or DATA_LOSS where the file ends before.
absl::Status ReadAt(int fd, int64_t offset, char* data, size_t size);
// Takes room for `size` bytes without writing them, where the file system can.
absl::Status Allocate(int fd, int64_t size);
absl::Status SyncDirectory(const std::string& path);
// OK if there was none.
absl::Status RemoveFile(const std::string& path);

}  // namespace covet::files
