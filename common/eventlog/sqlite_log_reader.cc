#include "common/eventlog/sqlite_log_reader.h"

#include <algorithm>
#include <optional>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "common/eventlog/log_errors.h"
#include "common/eventlog/record_codec.h"

namespace covet::eventlog {
namespace {

absl::Status Damaged(const LogRow& row, int64_t offset) {
  return absl::DataLossError(
      absl::StrCat("log number ", row.log, " (epoch ", row.epoch, ") is damaged at ", offset));
}

}  // namespace

absl::StatusOr<std::unique_ptr<SqliteLogReader>> SqliteLogReader::Create(SqliteDatabase database) {
  auto reader = absl::WrapUnique(new SqliteLogReader(std::move(database)));
  if (absl::Status status = reader->Prepare(); !status.ok()) return status;
  return reader;
}

absl::Status SqliteLogReader::Prepare() {
  absl::Status status = finder_.Prepare(database_);
  if (!status.ok()) return status;
  return database_.Prepare({
      {&begin_, "BEGIN"},
      {&end_, "ROLLBACK"},
      {&forward_,
       "SELECT first_offset, count, time_ms, records FROM batches WHERE log = ?1 AND first_offset "
       ">= "
       "(SELECT max(first_offset) FROM batches WHERE log = ?1 AND first_offset <= ?2) "
       "ORDER BY first_offset"},
      {&backward_,
       "SELECT first_offset, count, time_ms, records FROM batches WHERE log = ?1 "
       "ORDER BY first_offset DESC"},
      {&scan_, "SELECT key, value FROM kv WHERE key >= ?1 AND key > ?2 ORDER BY key LIMIT ?3"},
  });
}

template <typename Result, typename Body>
absl::StatusOr<Result> SqliteLogReader::InSnapshot(Body body) {
  if (absl::Status status = begin_.Run(); !status.ok()) return status;
  absl::StatusOr<Result> result = body();
  const absl::Status status = end_.Run();
  if (result.ok() && !status.ok()) return status;
  return result;
}

absl::StatusOr<LogRow> SqliteLogReader::Find(const std::string& log_id) {
  absl::StatusOr<std::optional<LogRow>> row = finder_.Find(log_id);
  if (!row.ok()) return row.status();
  if (!row->has_value()) return NoSuchLog(log_id);
  return **std::move(row);
}

absl::StatusOr<LogState> SqliteLogReader::Head(const std::string& log_id) {
  return InSnapshot<LogState>([&]() -> absl::StatusOr<LogState> {
    const absl::StatusOr<LogRow> row = Find(log_id);
    if (!row.ok()) return row.status();
    return row->State();
  });
}

absl::StatusOr<ReadResult> SqliteLogReader::Read(const std::string& log_id, int64_t after,
                                                 int32_t limit, int64_t max_bytes) {
  return InSnapshot<ReadResult>([&]() -> absl::StatusOr<ReadResult> {
    const absl::StatusOr<LogRow> row = Find(log_id);
    if (!row.ok()) return row.status();
    ReadResult result{row->State(), {}};
    absl::Status status = ReadBatches(*row, after, limit, max_bytes, &result.records);
    if (!status.ok()) return status;
    return result;
  });
}

absl::Status SqliteLogReader::ReadBatches(const LogRow& row, int64_t after, int32_t limit,
                                          int64_t max_bytes, std::vector<Record>* records) {
  const int64_t from = std::max(after, row.trimmed_offset) + 1;
  const int64_t wanted = std::min<int64_t>(limit, row.last_offset - from + 1);
  if (wanted <= 0) return absl::OkStatus();
  records->reserve(static_cast<size_t>(std::min<int64_t>(wanted, 1024)));

  const ResetAtExit reset(forward_);
  forward_.Bind(1, row.log).Bind(2, from);
  int64_t next = from;
  int64_t bytes = 0;
  while (next < from + wanted) {
    const absl::StatusOr<bool> more = forward_.Step();
    if (!more.ok()) return more.status();
    if (!*more) return Damaged(row, next);
    const int64_t first = forward_.Int(0);
    const int64_t end = first + forward_.Int(1);
    if (first > next || end <= next) return Damaged(row, next);
    RecordCursor cursor(forward_.Blob(3));
    std::string_view data;
    for (int64_t offset = first; offset < end && next < from + wanted; ++offset) {
      if (!cursor.Next(&data)) return Damaged(row, offset);
      if (offset < next) continue;
      bytes += static_cast<int64_t>(data.size());
      if (bytes > max_bytes && !records->empty()) return absl::OkStatus();
      records->push_back({offset, forward_.Int(2), std::string(data)});
      ++next;
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<ReadResult> SqliteLogReader::ReadSince(const std::string& log_id, int64_t since_ms,
                                                      int32_t limit) {
  return InSnapshot<ReadResult>([&]() -> absl::StatusOr<ReadResult> {
    const absl::StatusOr<LogRow> row = Find(log_id);
    if (!row.ok()) return row.status();
    ReadResult result{row->State(), {}};
    absl::Status status = ReadNewest(*row, since_ms, limit, &result.records);
    if (!status.ok()) return status;
    return result;
  });
}

absl::Status SqliteLogReader::ReadNewest(const LogRow& row, int64_t since_ms, int32_t limit,
                                         std::vector<Record>* records) {
  const ResetAtExit reset(backward_);
  backward_.Bind(1, row.log);
  // Newest first, turned round at the end.
  while (static_cast<int64_t>(records->size()) < limit) {
    const absl::StatusOr<bool> more = backward_.Step();
    if (!more.ok()) return more.status();
    if (!*more || backward_.Int(2) < since_ms) break;
    const size_t batch_begin = records->size();
    RecordCursor cursor(backward_.Blob(3));
    std::string_view data;
    for (int64_t i = 0; i < backward_.Int(1); ++i) {
      const int64_t offset = backward_.Int(0) + i;
      if (!cursor.Next(&data)) return Damaged(row, offset);
      records->push_back({offset, backward_.Int(2), std::string(data)});
    }
    std::reverse(records->begin() + static_cast<std::ptrdiff_t>(batch_begin), records->end());
  }
  records->resize(std::min(records->size(), static_cast<size_t>(std::max(limit, 0))));
  std::reverse(records->begin(), records->end());
  return absl::OkStatus();
}

absl::StatusOr<std::vector<std::pair<std::string, std::string>>> SqliteLogReader::Scan(
    const std::string& prefix, const std::string& after_key, int32_t limit) {
  std::vector<std::pair<std::string, std::string>> pairs;
  const ResetAtExit reset(scan_);
  // SQLite takes a negative limit for none.
  scan_.Bind(1, prefix).Bind(2, after_key).Bind(3, std::max(limit, 0));
  for (;;) {
    const absl::StatusOr<bool> more = scan_.Step();
    if (!more.ok()) return more.status();
    if (!*more || scan_.Blob(0).substr(0, prefix.size()) != prefix) return pairs;
    pairs.emplace_back(scan_.Blob(0), scan_.Blob(1));
  }
}

}  // namespace covet::eventlog
