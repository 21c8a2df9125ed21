#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "common/eventlog/event_log.h"
#include "common/eventlog/log_row.h"
#include "common/eventlog/read_op.h"
#include "common/eventlog/sqlite_database.h"

namespace covet::eventlog {

// Answers the reading calls of EventLog from one snapshot each; used by one thread. DATA_LOSS where
// the database is damaged.
class SqliteLogReader final : public LogSource {
 public:
  static absl::StatusOr<std::unique_ptr<SqliteLogReader>> Create(SqliteDatabase database);

  absl::StatusOr<LogState> Head(const std::string& log_id) override;
  absl::StatusOr<ReadResult> Read(const std::string& log_id, int64_t after, int32_t limit,
                                  int64_t max_bytes) override;
  absl::StatusOr<ReadResult> ReadSince(const std::string& log_id, int64_t since_ms,
                                       int32_t limit) override;
  absl::StatusOr<std::vector<std::pair<std::string, std::string>>> Scan(
      const std::string& prefix, const std::string& after_key, int32_t limit) override;

 private:
  explicit SqliteLogReader(SqliteDatabase database) : database_(std::move(database)) {}
  absl::Status Prepare();
  absl::StatusOr<LogRow> Find(const std::string& log_id);
  absl::Status ReadBatches(const LogRow& row, int64_t after, int32_t limit, int64_t max_bytes,
                           std::vector<Record>* records);
  absl::Status ReadNewest(const LogRow& row, int64_t since_ms, int32_t limit,
                          std::vector<Record>* records);
  template <typename Result, typename Body>
  absl::StatusOr<Result> InSnapshot(Body body);

  SqliteDatabase database_;
  LogFinder finder_;
  SqliteStatement begin_, end_;
  SqliteStatement forward_, backward_;
  SqliteStatement scan_;
};

}  // namespace covet::eventlog
