#pragma once

#include <boost/container/deque.hpp>
#include <cstdint>
#include <vector>

#include "services/streams/domain/record_block.h"

namespace covet::streams {

// The newest records of one log, so that readers who keep up do not read the disk. Dense. The
// oldest blocks go first when a bound is reached; the newest stays. Not thread-safe.
class BlockCache {
 public:
  BlockCache(size_t max_blocks, size_t max_bytes)
      : max_blocks_(max_blocks), max_bytes_(max_bytes) {}

  // Begins after the last block, or anywhere if the cache is empty.
  void Add(RecordBlock block);
  void Clear();
  // Forgets blocks of which every record is below `first_offset`.
  void TrimBefore(int64_t first_offset);

  bool empty() const { return blocks_.empty(); }
  size_t bytes() const { return bytes_; }
  // True if every record after `after` is here.
  bool Covers(int64_t after) const {
    return !blocks_.empty() && after + 1 >= blocks_.front().first_offset;
  }
  // The blocks that hold records after `after`, at most about `max_bytes` of them but one at least.
  // Requires Covers(after).
  std::vector<RecordBlock> After(int64_t after, int64_t max_bytes) const;

 private:
  void DropOldest();

  const size_t max_blocks_;
  const size_t max_bytes_;
  boost::container::deque<RecordBlock> blocks_;
  size_t bytes_ = 0;
};

}  // namespace covet::streams
