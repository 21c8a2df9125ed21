#include "common/limits/queue_sizes.h"

#include <algorithm>
#include <bit>

namespace covet::limits {

size_t QueueSizes::ClassOf(int64_t bytes) {
  const auto size = static_cast<uint64_t>(std::max<int64_t>(bytes, 0));
  return std::min<size_t>(std::bit_width(size), kClasses - 1);
}

void QueueSizes::Move(int64_t from, int64_t to) {
  if (from > 0) bytes_[ClassOf(from)].fetch_sub(from, std::memory_order_relaxed);
  if (to > 0) bytes_[ClassOf(to)].fetch_add(to, std::memory_order_relaxed);
}

bool QueueSizes::AmongLargest(int64_t bytes, int64_t excess) const {
  int64_t larger = 0;
  for (size_t i = ClassOf(bytes) + 1; i < kClasses; ++i) {
    larger += bytes_[i].load(std::memory_order_relaxed);
  }
  return larger < excess;
}

}  // namespace covet::limits
