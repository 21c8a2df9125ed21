#pragma once

#include <cstdint>
#include <string>

namespace covet::files {

// A file that holds room on the disk, given up when there is little else, so that what has been
// accepted can still be written. Made again once the disk has plenty. Not thread-safe.
class DiskReserve {
 public:
  static constexpr int64_t kBytes = int64_t{8} << 20;

  // Where nothing else makes files of this name.
  explicit DiskReserve(std::string path);

  // Before each write that must succeed.
  void Prepare();

 private:
  bool Make() const;

  const std::string path_;
  bool held_;
};

}  // namespace covet::files
