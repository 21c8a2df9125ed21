#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace covet::limits {

// How the bytes of a process's queues spread over their sizes, so that each of them can tell by
// itself whether it is among the largest. Thread-safe; sizes are told apart by powers of two.
class QueueSizes {
 public:
  // A queue of `from` bytes has become one of `to`; 0 stands for none.
  void Move(int64_t from, int64_t to);
  // Whether a queue of `bytes` is needed to free `excess` bytes if the largest are cut first.
  bool AmongLargest(int64_t bytes, int64_t excess) const;

 private:
  static constexpr size_t kClasses = 48;
  static size_t ClassOf(int64_t bytes);

  std::array<std::atomic<int64_t>, kClasses> bytes_{};
};

}  // namespace covet::limits
