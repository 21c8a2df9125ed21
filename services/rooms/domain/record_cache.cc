#include "services/rooms/domain/record_cache.h"

#include <utility>

namespace covet::rooms {

void RecordCache::Add(int64_t offset, RecordPtr record) {
  if (records_.empty()) first_ = offset;
  bytes_ += record->size();
  records_.push_back(std::move(record));
  while (records_.size() > max_records_ || (bytes_ > max_bytes_ && records_.size() > 1)) {
    bytes_ -= records_.front()->size();
    records_.pop_front();
    ++first_;
  }
}

void RecordCache::Clear() {
  records_.clear();
  records_.shrink_to_fit();
  bytes_ = 0;
}

}  // namespace covet::rooms
