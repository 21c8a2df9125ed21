#include "common/eventlog/sqlite_schema.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/eventlog/instance_mark.h"

namespace covet::eventlog {
namespace {

constexpr int64_t kApplicationId = 0x436f7674;  // "Covt"
constexpr int64_t kVersion = 1;

// A batch costs one row and nothing else: the newest offset and the bytes of a log follow from its
// last row, and `logs` holds only what trimming took away. Rows lie in the order of their commits,
// so that a commit of many logs fills few pages; clustered by log, appends to 1000 logs cost twice
// the CPU and WAL, trimming included. Numbers of logs are never used again: a deleted log's batches
// are removed bit by bit later.
constexpr char kTables[] = R"(
CREATE TABLE logs (
  log INTEGER PRIMARY KEY AUTOINCREMENT,
  log_id BLOB NOT NULL UNIQUE,
  epoch BLOB NOT NULL,
  trimmed_offset INTEGER NOT NULL,  -- the newest offset that is gone
  trimmed_bytes INTEGER NOT NULL    -- of all records that are gone
) STRICT;
CREATE TABLE batches (
  log INTEGER NOT NULL,
  first_offset INTEGER NOT NULL,
  count INTEGER NOT NULL,
  time_ms INTEGER NOT NULL,
  total_bytes INTEGER NOT NULL,     -- of all records of the log up to the end of this batch
  records BLOB NOT NULL             -- record_codec.h
) STRICT;
CREATE UNIQUE INDEX batches_by_log ON batches(log, first_offset);
CREATE TABLE deleted_logs (log INTEGER PRIMARY KEY) STRICT;
CREATE TABLE kv (key BLOB PRIMARY KEY NOT NULL, value BLOB NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE instance (token BLOB NOT NULL) STRICT;
)";

absl::Status CreateTables(SqliteDatabase& database) {
  const std::string sql =
      absl::StrCat("BEGIN IMMEDIATE;", kTables, "PRAGMA application_id=", kApplicationId,
                   ";PRAGMA user_version=", kVersion, ";COMMIT;");
  return database.Execute(sql.c_str());
}

absl::Status CheckTables(SqliteDatabase& database, const std::string& path) {
  const absl::StatusOr<int64_t> tables =
      database.QueryInt("SELECT count(*) FROM sqlite_master WHERE type='table'");
  const absl::StatusOr<int64_t> application = database.QueryInt("PRAGMA application_id");
  const absl::StatusOr<int64_t> version = database.QueryInt("PRAGMA user_version");
  for (const auto* value : {&tables, &application, &version}) {
    if (!value->ok()) return value->status();
  }
  if (*tables == 0) return CreateTables(database);
  if (*application != kApplicationId) {
    return absl::FailedPreconditionError(absl::StrCat(path, " is not an event log"));
  }
  if (*version != kVersion) {
    return absl::FailedPreconditionError(
        absl::StrCat(path, " has format ", *version, "; this program knows ", kVersion, " only"));
  }
  return absl::OkStatus();
}

absl::Status WriteToken(SqliteDatabase& database, const std::string& token, bool renew_epochs,
                        IdGenerator& ids) {
  SqliteStatement forget, insert, renew;
  absl::Status status = database.Prepare({
      {&forget, "DELETE FROM instance"},
      {&insert, "INSERT INTO instance(token) VALUES(?1)"},
      {&renew, "UPDATE logs SET epoch = CAST(?1 || '.' || log AS BLOB)"},
  });
  const std::string epoch = ids.NewId("");
  status.Update(database.Execute("BEGIN IMMEDIATE"));
  if (status.ok()) status = forget.Run();
  if (status.ok()) status = insert.Bind(1, token).Run();
  if (status.ok() && renew_epochs) status = renew.Bind(1, epoch).Run();
  if (status.ok()) status = database.Execute("COMMIT");
  return status;
}

}  // namespace

absl::Status RenewInstance(SqliteDatabase& database, const DataFiles& files, IdGenerator& ids) {
  absl::StatusOr<InstanceMark> mark = ReadInstanceMark(files.mark);
  if (!mark.ok()) return mark.status();
  const absl::StatusOr<std::string> identity = FileIdentity(files.database);
  if (!identity.ok()) return identity.status();
  const absl::StatusOr<std::string> old_token = database.QueryText("SELECT token FROM instance");
  if (!old_token.ok() && !absl::IsNotFound(old_token.status())) return old_token.status();

  const std::string token = ids.NewId("");
  const bool known = old_token.ok() && mark->Recognises(*old_token, *identity);
  absl::Status status;
  if (known) status = WriteInstanceMark(files.mark, {{*old_token, token}, *identity});
  if (status.ok()) status = WriteToken(database, token, !known, ids);
  if (status.ok()) status = WriteInstanceMark(files.mark, {{token}, *identity});
  return status;
}

absl::StatusOr<SqliteDatabase> OpenWriterDatabase(const DataFiles& files, IdGenerator& ids) {
  absl::StatusOr<SqliteDatabase> database = SqliteDatabase::Open(files.database);
  if (!database.ok()) return database.status();
  const absl::StatusOr<std::string> mode = database->QueryText("PRAGMA journal_mode=WAL");
  if (!mode.ok()) return mode.status();
  if (*mode != "wal") {
    return absl::FailedPreconditionError(
        absl::StrCat(files.database, ": its file system cannot hold a write-ahead log"));
  }
  absl::Status status = database->Execute(
      "PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=0; PRAGMA cache_size=-16384;"
      "PRAGMA temp_store=MEMORY;");
  if (status.ok()) status = CheckTables(*database, files.database);
  if (status.ok()) status = RenewInstance(*database, files, ids);
  if (!status.ok()) return status;
  return database;
}

absl::StatusOr<SqliteDatabase> OpenReaderDatabase(const DataFiles& files) {
  absl::StatusOr<SqliteDatabase> database = SqliteDatabase::Open(files.database);
  if (!database.ok()) return database.status();
  // Only the writer checkpoints.
  const absl::Status status = database->Execute(
      "PRAGMA query_only=1; PRAGMA wal_autocheckpoint=0; PRAGMA cache_size=-8192;"
      "PRAGMA temp_store=MEMORY;");
  if (!status.ok()) return status;
  return database;
}

}  // namespace covet::eventlog
