#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "common/eventlog/record_codec.h"
#include "services/streams/domain/stored_record.h"

namespace covet::streams {

// Committed records that lie one behind another, as one shared buffer. Immutable.
struct RecordBlock {
  int64_t first_offset = 1;
  int64_t count = 0;
  std::shared_ptr<const std::string> data;  // Stored records in the form of EncodeRecords.

  int64_t last_offset() const { return first_offset + count - 1; }

  // Calls `visit(offset, const StoredRecord&)` for the records after `after` until it answers
  // false.
  template <typename Visit>
  void ForEachAfter(int64_t after, Visit visit) const {
    eventlog::RecordCursor cursor(*data);
    std::string_view bytes;
    StoredRecord record;
    for (int64_t offset = first_offset; cursor.Next(&bytes); ++offset) {
      if (offset > after && ParseStored(bytes, &record) && !visit(offset, record)) return;
    }
  }
};

}  // namespace covet::streams
