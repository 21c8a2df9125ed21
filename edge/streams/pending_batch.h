#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "edge/streams/stream_items.h"

namespace covet::edge {

// A record within the batch that keeps it alive.
struct RecordRef {
  StreamBatchPtr batch;
  size_t index = 0;
  const StreamRecord& record() const { return batch->records[index]; }
};

// What conflation goes by: the record's member `key`, or that it has none. Strings are equal as
// their characters are, objects and arrays as their texts are.
std::string ConflationKey(const std::string& json);

// The records that a group has taken in since its last batch; with conflation only the newest of
// each key. Not thread-safe.
class PendingBatch {
 public:
  explicit PendingBatch(bool conflate) : conflate_(conflate) {}

  void Add(RecordRef ref);
  size_t size() const { return size_; }
  size_t bytes() const { return bytes_; }
  bool empty() const { return size_ == 0; }
  // By offset; nothing is pending then.
  std::vector<RecordRef> Take();

 private:
  const bool conflate_;
  size_t size_ = 0;
  size_t bytes_ = 0;
  std::vector<RecordRef> refs_;  // Without a batch where a newer record has come.
  absl::flat_hash_map<std::string, size_t> newest_;
};

}  // namespace covet::edge
