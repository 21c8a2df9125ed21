#include "common/eventlog/log_row.h"

namespace covet::eventlog {

absl::Status LogFinder::Prepare(SqliteDatabase& database) {
  return database.Prepare({
      {&log_, "SELECT log, epoch, trimmed_offset, trimmed_bytes FROM logs WHERE log_id = ?1"},
      {&newest_batch_,
       "SELECT first_offset + count - 1, total_bytes FROM batches WHERE log = ?1 "
       "ORDER BY first_offset DESC LIMIT 1"},
  });
}

absl::StatusOr<std::optional<LogRow>> LogFinder::Find(std::string_view log_id) {
  LogRow row;
  {
    const ResetAtExit reset(log_);
    const absl::StatusOr<bool> found = log_.Bind(1, log_id).Step();
    if (!found.ok()) return found.status();
    if (!*found) return std::nullopt;
    row.log = log_.Int(0);
    row.epoch = std::string(log_.Blob(1));
    row.trimmed_offset = row.last_offset = log_.Int(2);
    row.trimmed_bytes = row.total_bytes = log_.Int(3);
  }
  const ResetAtExit reset(newest_batch_);
  const absl::StatusOr<bool> found = newest_batch_.Bind(1, row.log).Step();
  if (!found.ok()) return found.status();
  if (*found) {
    row.last_offset = newest_batch_.Int(0);
    row.total_bytes = newest_batch_.Int(1);
  }
  return row;
}

}  // namespace covet::eventlog
