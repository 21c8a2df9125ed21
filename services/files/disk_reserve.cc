#include "services/files/disk_reserve.h"

#include <fcntl.h>

#include <utility>

#include "common/base/disk_space.h"
#include "common/logging/log.h"
#include "services/files/posix_file.h"

namespace covet::files {
namespace {

// Below the first it is given up, above the second made again.
constexpr int64_t kLittle = DiskReserve::kBytes / 2;
constexpr int64_t kPlenty = 4 * DiskReserve::kBytes;

}  // namespace

DiskReserve::DiskReserve(std::string path) : path_(std::move(path)), held_(Make()) {}

void DiskReserve::Prepare() {
  const int64_t free = FreeDiskBytes(path_.substr(0, path_.rfind('/')));
  if (held_ && free < kLittle) {
    log::Error("files_disk_full", {{"free_bytes", free}});
    RemoveFile(path_).IgnoreError();
    held_ = false;
  } else if (!held_ && free > kPlenty) {
    held_ = Make();
    if (held_) log::Info("files_disk_has_room", {{"free_bytes", free}});
  }
}

bool DiskReserve::Make() const {
  const absl::StatusOr<Fd> fd = OpenFile(path_, O_RDWR | O_CREAT);
  if (fd.ok() && Allocate(fd->get(), kBytes).ok()) return true;
  RemoveFile(path_).IgnoreError();
  return false;
}

}  // namespace covet::files
