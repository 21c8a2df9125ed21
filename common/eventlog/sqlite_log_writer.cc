#include "common/eventlog/sqlite_log_writer.h"

#include <limits>
#include <optional>
#include <utility>
#include <variant>

#include "absl/memory/memory.h"
#include "common/eventlog/log_errors.h"
#include "common/eventlog/record_codec.h"
#include "common/eventlog/retention.h"

namespace covet::eventlog {
namespace {

constexpr int64_t kRemoveStepBatches = 256;
constexpr int kCheckpointWaitMs = 100;

int OnWalCommit(void* pages, sqlite3*, const char*, int wal_pages) {
  *static_cast<int*>(pages) = wal_pages;
  return SQLITE_OK;
}

}  // namespace

SqliteLogWriter::SqliteLogWriter(SqliteDatabase database, int32_t cached_logs, IdGenerator& ids)
    : database_(std::move(database)), ids_(ids), cache_(static_cast<size_t>(cached_logs)) {}

absl::StatusOr<std::unique_ptr<SqliteLogWriter>> SqliteLogWriter::Create(SqliteDatabase database,
                                                                         int32_t cached_logs,
                                                                         IdGenerator& ids) {
  auto writer = absl::WrapUnique(new SqliteLogWriter(std::move(database), cached_logs, ids));
  if (absl::Status status = writer->Prepare(); !status.ok()) return status;
  return writer;
}

absl::Status SqliteLogWriter::Prepare() {
  absl::Status status = finder_.Prepare(database_);
  if (!status.ok()) return status;
  status = database_.Prepare({
      {&begin_, "BEGIN IMMEDIATE"},
      {&commit_, "COMMIT"},
      {&insert_log_,
       "INSERT INTO logs(log_id, epoch, trimmed_offset, trimmed_bytes) VALUES(?1, ?2, 0, 0)"},
      {&update_log_, "UPDATE logs SET trimmed_offset = ?2, trimmed_bytes = ?3 WHERE log = ?1"},
      {&delete_log_, "DELETE FROM logs WHERE log = ?1"},
      {&insert_batch_, "INSERT INTO batches VALUES(?1, ?2, ?3, ?4, ?5, ?6)"},
      {&walk_batches_,
       "SELECT first_offset, count, time_ms, total_bytes FROM batches WHERE log = ?1 "
       "ORDER BY first_offset"},
      {&trim_batches_, "DELETE FROM batches WHERE log = ?1 AND first_offset <= ?2"},
      {&insert_deleted_, "INSERT INTO deleted_logs VALUES(?1)"},
      {&next_deleted_, "SELECT log FROM deleted_logs LIMIT 1"},
      {&finish_deleted_, "DELETE FROM deleted_logs WHERE log = ?1"},
      {&deleted_step_,
       "SELECT first_offset FROM batches WHERE log = ?1 ORDER BY first_offset LIMIT 1 OFFSET ?2"},
      {&delete_batches_, "DELETE FROM batches WHERE log = ?1 AND first_offset < ?2"},
      {&put_, "INSERT INTO kv VALUES(?1, ?2) ON CONFLICT DO UPDATE SET value = excluded.value"},
      {&erase_, "DELETE FROM kv WHERE key = ?1"},
  });
  if (!status.ok()) return status;
  const absl::StatusOr<int64_t> page_bytes = database_.QueryInt("PRAGMA page_size");
  if (!page_bytes.ok()) return page_bytes.status();
  page_bytes_ = *page_bytes;
  sqlite3_wal_hook(database_.handle(), OnWalCommit, &wal_pages_);
  const absl::StatusOr<bool> deleted = next_deleted_.Step();
  if (!deleted.ok()) return deleted.status();
  has_deleted_logs_ = *deleted;
  next_deleted_.Reset();
  return absl::OkStatus();
}

absl::Status SqliteLogWriter::Apply(const WriteOp& op, Outcome* outcome) {
  if (!op.refusal.ok()) {
    outcome->status = op.refusal;
    return absl::OkStatus();
  }
  return std::visit([&](const auto& call) { return ApplyCall(call, outcome); }, op.call);
}

absl::Status SqliteLogWriter::Begin() {
  if (in_transaction_) return absl::OkStatus();
  in_transaction_ = true;
  return begin_.Run();
}

absl::StatusOr<LogRow*> SqliteLogWriter::Find(const std::string& log_id) {
  if (LogRow* row = cache_.Find(log_id)) return row;
  absl::StatusOr<std::optional<LogRow>> row = finder_.Find(log_id);
  if (!row.ok()) return row.status();
  if (!row->has_value()) return nullptr;
  return cache_.Insert(log_id, **std::move(row));
}

absl::Status SqliteLogWriter::ApplyCall(const CreateOp& call, Outcome* outcome) {
  absl::StatusOr<LogRow*> row = Find(call.log_id);
  if (!row.ok()) return row.status();
  if (*row == nullptr) {
    LogRow made;
    made.epoch = ids_.NewId("");
    absl::Status status = Begin();
    if (status.ok()) status = insert_log_.Bind(1, call.log_id).Bind(2, made.epoch).Run();
    if (!status.ok()) return status;
    made.log = sqlite3_last_insert_rowid(database_.handle());
    row = cache_.Insert(call.log_id, std::move(made));
  }
  outcome->state = (*row)->State();
  return absl::OkStatus();
}

absl::Status SqliteLogWriter::ApplyCall(const AppendOp& call, Outcome* outcome) {
  const Batch& batch = call.batch;
  absl::StatusOr<LogRow*> found = Find(batch.log_id);
  if (!found.ok()) return found.status();
  LogRow* row = *found;
  outcome->status =
      row == nullptr ? NoSuchLog(batch.log_id) : CheckFence(batch, row->epoch, row->last_offset);
  if (!outcome->status.ok()) return absl::OkStatus();

  const int64_t count = RecordCount(batch);
  row->last_offset += count;
  row->total_bytes += RecordBytes(batch);
  if (batch.encoded == nullptr) EncodeRecords(batch.records, &blob_);
  absl::Status status = Begin();
  if (!status.ok()) return status;
  return insert_batch_.Bind(1, row->log)
      .Bind(2, batch.first_offset)
      .Bind(3, count)
      .Bind(4, batch.time_ms)
      .Bind(5, row->total_bytes)
      .Bind(6, batch.encoded == nullptr ? blob_ : *batch.encoded)
      .Run();
}

absl::Status SqliteLogWriter::FindTrimEnd(const TrimOp& call, LogRow* row) {
  const int64_t step_end = row->trimmed_offset + kTrimStepRecords;
  const ResetAtExit reset(walk_batches_);
  walk_batches_.Bind(1, row->log);
  for (bool first = true;; first = false) {
    const absl::StatusOr<bool> more = walk_batches_.Step();
    if (!more.ok()) return more.status();
    if (!*more) return absl::OkStatus();
    const int64_t total_bytes = walk_batches_.Int(3);
    BatchExtent batch;
    batch.count = walk_batches_.Int(1);
    batch.last_offset = walk_batches_.Int(0) + batch.count - 1;
    batch.time_ms = walk_batches_.Int(2);
    batch.bytes = total_bytes - row->trimmed_bytes;
    batch.newer_records = row->last_offset - batch.last_offset;
    batch.newer_bytes = row->total_bytes - total_bytes;
    if (!first && batch.last_offset > step_end) return absl::OkStatus();
    if (!Expired(call.retention, call.now_ms, batch)) return absl::OkStatus();
    row->trimmed_offset = batch.last_offset;
    row->trimmed_bytes = total_bytes;
  }
}

absl::Status SqliteLogWriter::ApplyCall(const TrimOp& call, Outcome* outcome) {
  absl::StatusOr<LogRow*> found = Find(call.log_id);
  if (!found.ok()) return found.status();
  LogRow* row = *found;
  if (row == nullptr) {
    outcome->status = NoSuchLog(call.log_id);
    return absl::OkStatus();
  }
  const int64_t trimmed_before = row->trimmed_offset;
  absl::Status status = FindTrimEnd(call, row);
  if (status.ok() && row->trimmed_offset != trimmed_before) {
    status = Begin();
    if (status.ok()) status = trim_batches_.Bind(1, row->log).Bind(2, row->trimmed_offset).Run();
    if (status.ok()) {
      status = update_log_.Bind(1, row->log)
                   .Bind(2, row->trimmed_offset)
                   .Bind(3, row->trimmed_bytes)
                   .Run();
    }
  }
  outcome->state = row->State();
  return status;
}

absl::Status SqliteLogWriter::ApplyCall(const DeleteOp& call, Outcome*) {
  absl::StatusOr<LogRow*> row = Find(call.log_id);
  if (!row.ok()) return row.status();
  if (*row == nullptr) return absl::OkStatus();
  const int64_t log = (*row)->log;
  cache_.Erase(call.log_id);
  has_deleted_logs_ = true;
  absl::Status status = Begin();
  if (status.ok()) status = delete_log_.Bind(1, log).Run();
  if (status.ok()) status = insert_deleted_.Bind(1, log).Run();
  return status;
}

absl::Status SqliteLogWriter::ApplyCall(const PutOp& call, Outcome*) {
  absl::Status status = Begin();
  if (status.ok()) status = put_.Bind(1, call.key).Bind(2, call.value).Run();
  return status;
}

absl::Status SqliteLogWriter::ApplyCall(const EraseOp& call, Outcome*) {
  absl::Status status = Begin();
  if (status.ok()) status = erase_.Bind(1, call.key).Run();
  return status;
}

absl::Status SqliteLogWriter::RemoveDeletedBatches() {
  absl::Status status = Begin();
  if (!status.ok()) return status;
  int64_t log = 0;
  {
    const ResetAtExit reset(next_deleted_);
    const absl::StatusOr<bool> found = next_deleted_.Step();
    if (!found.ok()) return found.status();
    has_deleted_logs_ = *found;
    if (!*found) return absl::OkStatus();
    log = next_deleted_.Int(0);
  }
  int64_t end = std::numeric_limits<int64_t>::max();
  {
    const ResetAtExit reset(deleted_step_);
    const absl::StatusOr<bool> more = deleted_step_.Bind(1, log).Bind(2, kRemoveStepBatches).Step();
    if (!more.ok()) return more.status();
    if (*more) {
      end = deleted_step_.Int(0);
    } else {
      status = finish_deleted_.Bind(1, log).Run();
    }
  }
  if (status.ok()) status = delete_batches_.Bind(1, log).Bind(2, end).Run();
  return status;
}

absl::Status SqliteLogWriter::Commit() {
  if (!in_transaction_) return absl::OkStatus();
  in_transaction_ = false;
  return commit_.Run();
}

absl::Status SqliteLogWriter::Rollback() {
  in_transaction_ = false;
  // What the rows are can be read again.
  cache_.Clear();
  has_deleted_logs_ = true;
  // SQLite may have rolled back by itself.
  if (sqlite3_get_autocommit(database_.handle()) != 0) return absl::OkStatus();
  return database_.Execute("ROLLBACK");
}

absl::Status SqliteLogWriter::Checkpoint() {
  // RESTART waits for readers, so that the next commit begins the file anew. Ours are short; those
  // of other programs, a backup for one, are not waited for long.
  sqlite3_busy_timeout(database_.handle(), kCheckpointWaitMs);
  const int code = sqlite3_wal_checkpoint_v2(database_.handle(), nullptr, SQLITE_CHECKPOINT_RESTART,
                                             nullptr, nullptr);
  sqlite3_busy_timeout(database_.handle(), kBusyTimeoutMs);
  if (code == SQLITE_OK) {
    wal_pages_ = 0;
  } else if ((code & 0xff) != SQLITE_BUSY && (code & 0xff) != SQLITE_FULL) {
    // On a full disk the write-ahead log stays as it is, and holds everything.
    return SqliteError(database_.handle(), code, "checkpoint");
  }
  kept_wal_pages_ = wal_pages_;
  return absl::OkStatus();
}

}  // namespace covet::eventlog
