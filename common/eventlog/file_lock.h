#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"

namespace covet::eventlog {

// An exclusive flock(2) on a file, made if missing. The kernel frees it when the process ends,
// however it ends. The file stays.
class FileLock {
 public:
  // FAILED_PRECONDITION, naming the holder's process id, if somebody holds it (this process
  // included).
  static absl::StatusOr<std::unique_ptr<FileLock>> Acquire(const std::string& path);
  // The same for `<directory>/<name>.lock`; makes the directory if it is missing.
  static absl::StatusOr<std::unique_ptr<FileLock>> AcquireIn(const std::string& directory,
                                                             const std::string& name);
  ~FileLock();
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;

 private:
  explicit FileLock(int fd) : fd_(fd) {}
  const int fd_;
};

}  // namespace covet::eventlog
