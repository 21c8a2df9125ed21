#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "common/eventlog/event_log.h"

namespace covet::eventlog {

// The errors that implementations share.

absl::Status NoSuchLog(const std::string& log_id);
// OK if `batch` continues a log that stands at `epoch` and `last_offset`.
absl::Status CheckFence(const Batch& batch, std::string_view epoch, int64_t last_offset);
// For a call that found the queue full or, at the log's end, closed.
absl::Status QueueRefusal(bool closed);
// RESOURCE_EXHAUSTED, as IsDiskFull knows it.
absl::Status DiskFull();

}  // namespace covet::eventlog
