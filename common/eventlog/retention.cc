#include "common/eventlog/retention.h"

namespace covet::eventlog {

bool Expired(const Retention& retention, int64_t now_ms, const BatchExtent& batch) {
  if (retention.max_age_ms > 0 && now_ms - batch.time_ms > retention.max_age_ms) return true;
  // A batch goes as a whole, so its newest record decides.
  if (retention.max_count > 0 && batch.newer_records >= retention.max_count) return true;
  if (retention.max_bytes > 0) {
    // Of several records the newest one's size is not known; it counts as small.
    const int64_t newest = batch.count == 1 ? batch.bytes : 1;
    if (batch.newer_bytes + newest > retention.max_bytes) return true;
  }
  return false;
}

}  // namespace covet::eventlog
