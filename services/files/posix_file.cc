#include "services/files/posix_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "common/base/string_map.h"

namespace covet::files {

absl::Status PosixError(std::string_view what, const std::string& path) {
  const int error = errno;
  const std::string text = absl::StrCat(ToAbsl(what), " ", path, ": ", std::strerror(error));
  switch (error) {
    case ENOENT:
      return absl::NotFoundError(text);
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
      return absl::ResourceExhaustedError(text);
    default:
      return absl::InternalError(text);
  }
}

absl::StatusOr<Fd> OpenFile(const std::string& path, int flags) {
  Fd fd(::open(path.c_str(), flags | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd.valid()) return PosixError("open", path);
  return fd;
}

absl::Status WriteAt(int fd, int64_t offset, std::string_view data) {
  while (!data.empty()) {
    const ssize_t written = ::pwrite(fd, data.data(), data.size(), offset);
    if (written < 0) {
      if (errno == EINTR) continue;
      return PosixError("write", "");
    }
    data.remove_prefix(static_cast<size_t>(written));
    offset += written;
  }
  return absl::OkStatus();
}

absl::Status ReadAt(int fd, int64_t offset, char* data, size_t size) {
  while (size > 0) {
    const ssize_t got = ::pread(fd, data, size, offset);
    if (got < 0) {
      if (errno == EINTR) continue;
      return PosixError("read", "");
    }
    if (got == 0) return absl::DataLossError("the file is shorter than it should be");
    data += got;
    size -= static_cast<size_t>(got);
    offset += got;
  }
  return absl::OkStatus();
}

absl::Status Allocate(int fd, int64_t size) {
  if (size == 0) return absl::OkStatus();
  int result;
  do {
    result = ::fallocate(fd, 0, 0, size);
  } while (result != 0 && errno == EINTR);
  if (result == 0) return absl::OkStatus();
  if (errno != EOPNOTSUPP && errno != ENOSYS) return PosixError("allocate", "");
  if (::ftruncate(fd, size) != 0) return PosixError("allocate", "");
  return absl::OkStatus();
}

absl::Status SyncDirectory(const std::string& path) {
  absl::StatusOr<Fd> fd = OpenFile(path, O_RDONLY | O_DIRECTORY);
  if (!fd.ok()) return fd.status();
  return ::fsync(fd->get()) == 0 ? absl::OkStatus() : PosixError("sync", path);
}

absl::Status RemoveFile(const std::string& path) {
  if (::unlink(path.c_str()) == 0 || errno == ENOENT) return absl::OkStatus();
  return PosixError("remove", path);
}

}  // namespace covet::files
