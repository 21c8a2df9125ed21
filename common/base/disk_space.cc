#include "common/base/disk_space.h"

#include <sys/statvfs.h>

#include <limits>

namespace covet {

int64_t FreeDiskBytes(const std::string& path) {
  struct statvfs info = {};
  if (::statvfs(path.c_str(), &info) != 0) return std::numeric_limits<int64_t>::max();
  return static_cast<int64_t>(info.f_bavail) * static_cast<int64_t>(info.f_frsize);
}

}  // namespace covet
