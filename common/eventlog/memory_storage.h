#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "common/base/id_generator.h"
#include "common/eventlog/read_op.h"
#include "common/eventlog/write_op.h"

namespace covet::eventlog {

// Logs and values in memory. Used by one thread at a time.
class MemoryStorage final : public LogSource {
 public:
  Outcome Apply(const WriteOp& op, IdGenerator& ids);

  absl::StatusOr<LogState> Head(const std::string& log_id) override;
  absl::StatusOr<ReadResult> Read(const std::string& log_id, int64_t after, int32_t limit,
                                  int64_t max_bytes) override;
  absl::StatusOr<ReadResult> ReadSince(const std::string& log_id, int64_t since_ms,
                                       int32_t limit) override;
  absl::StatusOr<std::vector<std::pair<std::string, std::string>>> Scan(
      const std::string& prefix, const std::string& after_key, int32_t limit) override;

 private:
  struct StoredBatch {
    int64_t first_offset = 0;
    int64_t time_ms = 0;
    int64_t bytes = 0;
    int64_t count = 0;
    std::vector<std::shared_ptr<const std::string>> records;
    std::shared_ptr<const std::string> encoded;  // Or these, as in Batch.

    int64_t end_offset() const { return first_offset + count; }
  };
  struct Log {
    LogState state;
    std::deque<StoredBatch> batches;
  };

  Outcome ApplyCall(const CreateOp& call, IdGenerator& ids);
  Outcome ApplyCall(const AppendOp& call, IdGenerator& ids);
  Outcome ApplyCall(const TrimOp& call, IdGenerator& ids);
  Outcome ApplyCall(const DeleteOp& call, IdGenerator& ids);
  Outcome ApplyCall(const PutOp& call, IdGenerator& ids);
  Outcome ApplyCall(const EraseOp& call, IdGenerator& ids);

  std::unordered_map<std::string, Log> logs_;
  std::map<std::string, std::string> values_;
};

}  // namespace covet::eventlog
