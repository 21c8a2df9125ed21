#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/base/id_generator.h"
#include "common/eventlog/log_row.h"
#include "common/eventlog/log_row_cache.h"
#include "common/eventlog/sqlite_database.h"
#include "common/eventlog/write_op.h"

namespace covet::eventlog {

// Applies writes to the database, without threads of its own; used by one thread.
//
// The states of logs in memory run ahead of the database between Apply and Commit. So after an
// error from any call nothing here can be trusted, and the process must end; but for
// RESOURCE_EXHAUSTED, a full disk, after which Rollback goes back to the last commit.
class SqliteLogWriter {
 public:
  static absl::StatusOr<std::unique_ptr<SqliteLogWriter>> Create(SqliteDatabase database,
                                                                 int32_t cached_logs,
                                                                 IdGenerator& ids);

  // Applies `op` within the open transaction, beginning one if need be. What the caller did wrong
  // goes into `outcome`; an error returned is the database's.
  absl::Status Apply(const WriteOp& op, Outcome* outcome);
  // Commits what was applied; durable once it returns. Nothing to do is OK.
  absl::Status Commit();
  // Undoes what was applied since the last commit.
  absl::Status Rollback();

  // Whether batches of deleted logs remain. Each Commit removes a bounded number of them.
  bool has_deleted_logs() const { return has_deleted_logs_; }
  absl::Status RemoveDeletedBatches();

  SqliteDatabase& database() { return database_; }

  // What the write-ahead log holds.
  int64_t wal_bytes() const { return wal_pages_ * page_bytes_; }
  // Of that, what came since the last Checkpoint. Differs where a long reader kept it from ending.
  int64_t new_wal_bytes() const { return (wal_pages_ - kept_wal_pages_) * page_bytes_; }
  // Moves the write-ahead log into the database, so that the next commit begins it anew. OK also if
  // a reader of another program held up its end.
  absl::Status Checkpoint();

 private:
  SqliteLogWriter(SqliteDatabase database, int32_t cached_logs, IdGenerator& ids);
  absl::Status Prepare();

  absl::Status ApplyCall(const CreateOp& call, Outcome* outcome);
  absl::Status ApplyCall(const AppendOp& call, Outcome* outcome);
  absl::Status ApplyCall(const TrimOp& call, Outcome* outcome);
  absl::Status ApplyCall(const DeleteOp& call, Outcome* outcome);
  absl::Status ApplyCall(const PutOp& call, Outcome* outcome);
  absl::Status ApplyCall(const EraseOp& call, Outcome* outcome);

  absl::Status Begin();
  // Null if there is no such log.
  absl::StatusOr<LogRow*> Find(const std::string& log_id);
  // Moves `row`'s trimmed end past the batches that `call` no longer covers.
  absl::Status FindTrimEnd(const TrimOp& call, LogRow* row);

  SqliteDatabase database_;
  IdGenerator& ids_;
  LogFinder finder_;
  LogRowCache cache_;
  bool in_transaction_ = false;
  bool has_deleted_logs_ = false;
  int64_t page_bytes_ = 0;
  int wal_pages_ = 0;
  int kept_wal_pages_ = 0;
  std::string blob_;

  SqliteStatement begin_, commit_;
  SqliteStatement insert_log_, update_log_, delete_log_;
  SqliteStatement insert_batch_, walk_batches_, trim_batches_;
  SqliteStatement insert_deleted_, next_deleted_, finish_deleted_, deleted_step_, delete_batches_;
  SqliteStatement put_, erase_;
};

}  // namespace covet::eventlog
