#include "services/files/domain/chunk_ranges.h"

#include <algorithm>
#include <iterator>

namespace covet::files {

void ChunkRanges::Add(int64_t first, int64_t last) {
  auto it = ranges_.upper_bound(first);
  if (it != ranges_.begin() && std::prev(it)->second >= first - 1) --it;
  while (it != ranges_.end() && it->first <= last + 1) {
    first = std::min(first, it->first);
    last = std::max(last, it->second);
    count_ -= it->second - it->first + 1;
    it = ranges_.erase(it);
  }
  ranges_.emplace_hint(it, first, last);
  count_ += last - first + 1;
}

bool ChunkRanges::Contains(int64_t index) const {
  const auto it = ranges_.upper_bound(index);
  return it != ranges_.begin() && std::prev(it)->second >= index;
}

std::vector<ChunkRanges::Range> ChunkRanges::ranges(size_t most) const {
  const auto count = static_cast<ptrdiff_t>(std::min(most, ranges_.size()));
  return {ranges_.begin(), std::next(ranges_.begin(), count)};
}

}  // namespace covet::files
