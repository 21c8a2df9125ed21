#include "services/streams/domain/block_cache.h"

#include <algorithm>
#include <utility>

namespace covet::streams {

void BlockCache::Add(RecordBlock block) {
  bytes_ += block.data->size();
  blocks_.push_back(std::move(block));
  while (blocks_.size() > max_blocks_ || (bytes_ > max_bytes_ && blocks_.size() > 1)) DropOldest();
}

void BlockCache::Clear() {
  blocks_.clear();
  blocks_.shrink_to_fit();
  bytes_ = 0;
}

void BlockCache::TrimBefore(int64_t first_offset) {
  while (!blocks_.empty() && blocks_.front().last_offset() < first_offset) DropOldest();
}

void BlockCache::DropOldest() {
  bytes_ -= blocks_.front().data->size();
  blocks_.pop_front();
}

std::vector<RecordBlock> BlockCache::After(int64_t after, int64_t max_bytes) const {
  std::vector<RecordBlock> found;
  auto block = std::lower_bound(
      blocks_.begin(), blocks_.end(), after + 1,
      [](const RecordBlock& b, int64_t offset) { return b.last_offset() < offset; });
  int64_t bytes = 0;
  for (; block != blocks_.end(); ++block) {
    bytes += static_cast<int64_t>(block->data->size());
    if (bytes > max_bytes && !found.empty()) break;
    found.push_back(*block);
  }
  return found;
}

}  // namespace covet::streams
