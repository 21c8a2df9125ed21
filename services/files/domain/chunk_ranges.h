#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <utility>
#include <vector>

namespace covet::files {

// A set of chunk indexes, kept as ranges. Not thread-safe.
class ChunkRanges {
 public:
  // From the first to the last, both included.
  using Range = std::pair<int64_t, int64_t>;

  void Add(int64_t index) { Add(index, index); }
  void Add(int64_t first, int64_t last);
  bool Contains(int64_t index) const;

  // How many indexes are in it.
  int64_t count() const { return count_; }
  size_t range_count() const { return ranges_.size(); }
  // In ascending order, no two of them adjacent; the first `most` of them.
  std::vector<Range> ranges(size_t most = std::numeric_limits<size_t>::max()) const;

 private:
  std::map<int64_t, int64_t> ranges_;  // First → last.
  int64_t count_ = 0;
};

}  // namespace covet::files
