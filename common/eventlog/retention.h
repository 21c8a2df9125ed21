#pragma once

#include <cstdint>

#include "common/eventlog/event_log.h"

namespace covet::eventlog {

// At most this many records go in one Trim, but one whole batch at least.
inline constexpr int64_t kTrimStepRecords = 1000;

// What trimming needs to know of a batch.
struct BatchExtent {
  int64_t last_offset = 0;
  int64_t count = 0;
  int64_t time_ms = 0;
  int64_t bytes = 0;
  int64_t newer_records = 0;  // In the log after this batch.
  int64_t newer_bytes = 0;
};

// Whether `retention` covers none of the batch's records any more at `now_ms`.
bool Expired(const Retention& retention, int64_t now_ms, const BatchExtent& batch);

}  // namespace covet::eventlog
