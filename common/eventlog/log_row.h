#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/eventlog/event_log.h"
#include "common/eventlog/sqlite_database.h"

namespace covet::eventlog {

// A log as its tables tell it.
struct LogRow {
  int64_t log = 0;
  std::string epoch;
  int64_t trimmed_offset = 0;
  int64_t trimmed_bytes = 0;
  int64_t last_offset = 0;
  int64_t total_bytes = 0;  // Of all records that ever were in it.

  LogState State() const {
    return {epoch, trimmed_offset + 1, last_offset, total_bytes - trimmed_bytes};
  }
};

// Finds logs by id. Used by one thread, within its transactions.
class LogFinder {
 public:
  absl::Status Prepare(SqliteDatabase& database);
  absl::StatusOr<std::optional<LogRow>> Find(std::string_view log_id);

 private:
  SqliteStatement log_;
  SqliteStatement newest_batch_;
};

}  // namespace covet::eventlog
