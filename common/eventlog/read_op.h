#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/eventlog/event_log.h"

namespace covet::eventlog {

// What answers the reading calls of an EventLog, on the thread that asks.
class LogSource {
 public:
  virtual ~LogSource() = default;
  virtual absl::StatusOr<LogState> Head(const std::string& log_id) = 0;
  virtual absl::StatusOr<ReadResult> Read(const std::string& log_id, int64_t after, int32_t limit,
                                          int64_t max_bytes) = 0;
  virtual absl::StatusOr<ReadResult> ReadSince(const std::string& log_id, int64_t since_ms,
                                               int32_t limit) = 0;
  virtual absl::StatusOr<std::vector<std::pair<std::string, std::string>>> Scan(
      const std::string& prefix, const std::string& after_key, int32_t limit) = 0;
};

// The reading calls as values, for the queues of implementations.

struct HeadOp {
  std::string log_id;
  EventLog::StateCallback done;
};
struct ReadAfterOp {
  std::string log_id;
  int64_t after = 0;
  int32_t limit = 0;
  int64_t max_bytes = 0;
  EventLog::ReadCallback done;
};
struct ReadSinceOp {
  std::string log_id;
  int64_t since_ms = 0;
  int32_t limit = 0;
  EventLog::ReadCallback done;
};
struct ScanOp {
  std::string prefix;
  std::string after_key;
  int32_t limit = 0;
  EventLog::ScanCallback done;
};

struct ReadOp {
  std::variant<HeadOp, ReadAfterOp, ReadSinceOp, ScanOp> call;
  // Not OK if the call was refused before it reached the log.
  absl::Status refusal;
};

// Answers the call, or its refusal. Returns the number of records read.
int64_t RunRead(const ReadOp& op, LogSource& source);

}  // namespace covet::eventlog
