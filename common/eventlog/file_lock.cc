#include "common/eventlog/file_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <string_view>
#include <system_error>

#include "absl/memory/memory.h"
#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace covet::eventlog {

absl::StatusOr<std::unique_ptr<FileLock>> FileLock::Acquire(const std::string& path) {
  // Close-on-exec: a child process must not keep the lock alive.
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (fd < 0) return absl::ErrnoToStatus(errno, absl::StrCat("cannot open ", path));
  auto lock = absl::WrapUnique(new FileLock(fd));
  if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return absl::ErrnoToStatus(errno, absl::StrCat("flock ", path));
    char holder[32];
    const ssize_t size = ::pread(fd, holder, sizeof holder, 0);
    return absl::FailedPreconditionError(absl::StrCat(
        path, " is locked: process ",
        size > 0 ? absl::StripAsciiWhitespace({holder, static_cast<size_t>(size)}) : "?",
        " uses this data directory"));
  }
  const std::string pid = absl::StrCat(::getpid(), "\n");
  // The id only serves the message above, so its writing may fail.
  if (::ftruncate(fd, 0) == 0 && ::pwrite(fd, pid.data(), pid.size(), 0) < 0) errno = 0;
  return lock;
}

absl::StatusOr<std::unique_ptr<FileLock>> FileLock::AcquireIn(const std::string& directory,
                                                              const std::string& name) {
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error) {
    return absl::UnavailableError(absl::StrCat("cannot make ", directory, ": ", error.message()));
  }
  return Acquire(absl::StrCat(directory, "/", name, ".lock"));
}

FileLock::~FileLock() { ::close(fd_); }

}  // namespace covet::eventlog
