#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/status.h"

namespace covet::edge {

struct StreamRecord {
  int64_t offset = 0;
  std::string json;           // The record's text.
  int64_t expires_at_ms = 0;  // Steady; from then on nobody gets it. 0 for never.

  bool IsAlive(int64_t now_ms) const { return expires_at_ms == 0 || now_ms < expires_at_ms; }
};

// Records that passed a filter, and the range of offsets that was looked at. Decoded once for all
// threads.
struct StreamBatch {
  int64_t first_offset = 0;
  int64_t last_offset = 0;
  bool gap = false;                   // The source itself lost records before it.
  std::vector<StreamRecord> records;  // By offset.
};
using StreamBatchPtr = std::shared_ptr<const StreamBatch>;

// The answer to an Attach: from here on every batch behind `offset` comes.
struct AttachedItem {
  uint64_t token = 0;
  uint64_t upstream = 0;
  std::string epoch;
  int64_t offset = 0;
};
// The other answer.
struct AttachFailedItem {
  uint64_t token = 0;
  absl::Status status;
};
struct BatchItem {
  uint64_t upstream = 0;
  StreamBatchPtr batch;
};
// The upstream is over: `removed`, `permission_revoked` or `reset`.
struct EndedItem {
  uint64_t upstream = 0;
  std::string reason;
};
// A page of a log, or why there is none.
struct PageItem {
  uint64_t token = 0;
  absl::Status status;
  std::string epoch;
  int64_t oldest_offset = 1;  // That the log keeps.
  int64_t head_offset = 0;
  StreamBatchPtr batch;  // Of (after, last_offset].
};

using StreamItemBody = std::variant<AttachedItem, AttachFailedItem, BatchItem, EndedItem, PageItem>;

// What comes from streams, shared by the threads that it concerns. Once the last of them lets go of
// it `consumed` runs, on that thread.
class StreamItem {
 public:
  explicit StreamItem(StreamItemBody body, std::function<void()> consumed = nullptr)
      : body(std::move(body)), consumed_(std::move(consumed)) {}
  StreamItem(const StreamItem&) = delete;
  StreamItem& operator=(const StreamItem&) = delete;
  ~StreamItem() {
    if (consumed_) consumed_();
  }

  const StreamItemBody body;

 private:
  const std::function<void()> consumed_;
};
using StreamItemPtr = std::shared_ptr<const StreamItem>;

}  // namespace covet::edge
