#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace covet::bench {

// Counts durations in nanoseconds in log-linear buckets about 1.6 % wide, up to about 18 minutes
// (longer ones fall into the last). Fixed size, no allocation per value. Not thread-safe.
class Histogram {
 public:
  void Add(uint64_t nanoseconds);
  uint64_t count() const { return count_; }
  // The upper end of the bucket that holds the quantile, `q` in [0, 1]; 0 when empty.
  uint64_t Quantile(double q) const;
  uint64_t max() const { return max_; }

 private:
  static constexpr int kSubBits = 6;
  static constexpr int kMaxBits = 40;
  static constexpr size_t kBuckets = size_t{kMaxBits - kSubBits + 1} << kSubBits;

  static size_t BucketOf(uint64_t value);
  static uint64_t UpperBound(size_t bucket);

  std::array<uint64_t, kBuckets> buckets_{};
  uint64_t count_ = 0;
  uint64_t max_ = 0;
};

}  // namespace covet::bench
