#pragma once

#include <boost/container/deque.hpp>
#include <cstdint>
#include <memory>
#include <string>

namespace covet::rooms {

// The newest records of one log, so that a reconnect wave does not read the disk. Dense: it holds
// (last - size, last]. Oldest records go first when a bound is reached. Not thread-safe.
class RecordCache {
 public:
  using RecordPtr = std::shared_ptr<const std::string>;

  RecordCache(size_t max_records, size_t max_bytes)
      : max_records_(max_records), max_bytes_(max_bytes) {}

  // `offset` is the one after the newest, or anything if the cache is empty.
  void Add(int64_t offset, RecordPtr record);
  void Clear();

  bool empty() const { return records_.empty(); }
  int64_t first_offset() const { return first_; }
  // True if every record after `after` is here.
  bool Covers(int64_t after) const { return !records_.empty() && after + 1 >= first_; }
  // The record at `offset`, which must be in [first_offset, last].
  const RecordPtr& At(int64_t offset) const { return records_[offset - first_]; }
  size_t bytes() const { return bytes_; }

 private:
  const size_t max_records_;
  const size_t max_bytes_;
  boost::container::deque<RecordPtr> records_;
  int64_t first_ = 1;
  size_t bytes_ = 0;
};

}  // namespace covet::rooms
