#include "services/files/sqlite_metadata.h"

#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "common/eventlog/sqlite_database.h"
#include "services/files/disk_reserve.h"

namespace covet::files {
namespace {

using eventlog::ResetAtExit;
using eventlog::SqliteDatabase;
using eventlog::SqliteStatement;

constexpr int64_t kApplicationId = 0x436f7646;  // "CovF"
constexpr int64_t kVersion = 2;

// Rows of `received` are ranges of chunks, in the order of their arrival; they may be adjacent.
constexpr char kTables[] = R"(
CREATE TABLE uploads (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  user_id BLOB NOT NULL,
  upload_id BLOB NOT NULL,
  file_id BLOB NOT NULL UNIQUE,
  filename BLOB NOT NULL,
  mimetype BLOB NOT NULL,
  sha256 BLOB NOT NULL,
  metadata BLOB NOT NULL,
  types BLOB NOT NULL,
  size INTEGER NOT NULL,
  chunk_size INTEGER NOT NULL,
  state INTEGER NOT NULL,
  failure BLOB NOT NULL,
  expires_ms INTEGER NOT NULL,
  ended_ms INTEGER NOT NULL,
  UNIQUE (user_id, upload_id)
) STRICT;
CREATE INDEX uploads_under_way ON uploads(expires_ms) WHERE state = 1;
CREATE INDEX uploads_of_user ON uploads(user_id, size) WHERE state = 1;
CREATE INDEX uploads_ended ON uploads(ended_ms) WHERE state <> 1;
CREATE TABLE received (
  upload INTEGER NOT NULL,
  first INTEGER NOT NULL,
  last INTEGER NOT NULL
) STRICT;
CREATE INDEX received_of_upload ON received(upload);
CREATE TABLE files (
  file_id BLOB PRIMARY KEY NOT NULL,
  upload_id BLOB NOT NULL,
  user_id BLOB NOT NULL,
  filename BLOB NOT NULL,
  mimetype BLOB NOT NULL,
  sha256 BLOB NOT NULL,
  metadata BLOB NOT NULL,
  types BLOB NOT NULL,
  size INTEGER NOT NULL,
  created_ms INTEGER NOT NULL,
  status INTEGER NOT NULL,
  details BLOB NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX files_of_user ON files(user_id, created_ms, file_id, size);
CREATE INDEX files_by_age ON files(created_ms);
CREATE INDEX files_unprocessed ON files(created_ms) WHERE status IN (1, 2);
CREATE TABLE rates (user_id BLOB PRIMARY KEY NOT NULL, state INTEGER NOT NULL) STRICT;
)";

// From format 1.
constexpr char kUpgrade[] = R"(
BEGIN IMMEDIATE;
ALTER TABLE files ADD COLUMN attempts INTEGER NOT NULL DEFAULT 0;
PRAGMA user_version=2;
COMMIT;
)";

constexpr char kUploadColumns[] =
    "number, user_id, upload_id, file_id, filename, mimetype, sha256, metadata, types, size, "
    "chunk_size, state, failure, expires_ms, ended_ms";
constexpr char kFileColumns[] =
    "file_id, upload_id, user_id, filename, mimetype, sha256, metadata, types, size, created_ms, "
    "status, details, attempts";

std::string Text(const SqliteStatement& row, int column) { return std::string(row.Blob(column)); }

UploadRecord ReadUpload(const SqliteStatement& row) {
  UploadRecord upload;
  upload.number = row.Int(0);
  upload.user_id = Text(row, 1);
  upload.upload_id = Text(row, 2);
  upload.file_id = Text(row, 3);
  upload.filename = Text(row, 4);
  upload.mimetype = Text(row, 5);
  upload.sha256 = Text(row, 6);
  upload.metadata = Text(row, 7);
  upload.types = Text(row, 8);
  upload.size = row.Int(9);
  upload.chunk_size = row.Int(10);
  upload.state = static_cast<v1::UploadState>(row.Int(11));
  upload.failure = Text(row, 12);
  upload.expires_ms = row.Int(13);
  upload.ended_ms = row.Int(14);
  return upload;
}

FileRecord ReadFile(const SqliteStatement& row) {
  FileRecord file;
  file.file_id = Text(row, 0);
  file.upload_id = Text(row, 1);
  file.user_id = Text(row, 2);
  file.filename = Text(row, 3);
  file.mimetype = Text(row, 4);
  file.sha256 = Text(row, 5);
  file.metadata = Text(row, 6);
  file.types = Text(row, 7);
  file.size = row.Int(8);
  file.created_ms = row.Int(9);
  file.status = static_cast<v1::ProcessingStatus>(row.Int(10));
  file.details = Text(row, 11);
  file.attempts = row.Int(12);
  return file;
}

class SqliteMetadata final : public Metadata {
 private:
  // First, for what they return is deduced.
  void Begin() {
    if (!status_.ok() || std::exchange(in_transaction_, true)) return;
    status_ = begin_.Run();
  }

  void Run(SqliteStatement& statement) {
    if (status_.ok()) status_ = statement.Run();
  }

  template <typename Fn>
  void Each(SqliteStatement& statement, Fn fn) {
    const ResetAtExit reset(statement);
    while (status_.ok()) {
      const absl::StatusOr<bool> row = statement.Step();
      if (!row.ok()) status_ = row.status();
      if (!row.ok() || !*row) return;
      fn(statement);
    }
  }

  template <typename Read>
  auto All(SqliteStatement& statement, Read read) {
    std::vector<decltype(read(statement))> all;
    Each(statement, [&](const SqliteStatement& row) { all.push_back(read(row)); });
    return all;
  }

  template <typename Read>
  auto First(SqliteStatement& statement, Read read) {
    std::optional<decltype(read(statement))> first;
    Each(statement, [&](const SqliteStatement& row) {
      if (!first) first = read(row);
    });
    return first;
  }

 public:
  SqliteMetadata(SqliteDatabase database, const std::string& path)
      : database_(std::move(database)), reserve_(path + ".reserve") {}

  absl::Status Prepare() {
    const std::string upload = absl::StrCat("SELECT ", kUploadColumns, " FROM uploads WHERE ");
    const std::string file = absl::StrCat("SELECT ", kFileColumns, " FROM files WHERE ");
    return database_.Prepare({
        {&begin_, "BEGIN IMMEDIATE"},
        {&commit_, "COMMIT"},
        {&find_upload_, upload + "user_id = ?1 AND upload_id = ?2"},
        {&insert_upload_,
         "INSERT INTO uploads(user_id, upload_id, file_id, filename, mimetype, sha256, metadata, "
         "types, size, chunk_size, state, failure, expires_ms, ended_ms) "
         "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)"},
        {&set_expiry_, "UPDATE uploads SET expires_ms = ?2 WHERE number = ?1"},
        {&end_upload_,
         "UPDATE uploads SET state = ?2, failure = ?3, ended_ms = ?4 WHERE number = ?1"},
        {&delete_upload_, "DELETE FROM uploads WHERE number = ?1"},
        {&received_, "SELECT first, last FROM received WHERE upload = ?1"},
        {&add_received_, "INSERT INTO received VALUES(?1, ?2, ?3)"},
        {&forget_received_, "DELETE FROM received WHERE upload = ?1"},
        {&insert_file_,
         "INSERT INTO files VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)"},
        {&find_file_, file + "file_id = ?1"},
        {&update_file_,
         "UPDATE files SET status = ?2, details = ?3, mimetype = ?4, attempts = ?5 WHERE file_id = "
         "?1"},
        {&delete_file_, "DELETE FROM files WHERE file_id = ?1"},
        {&list_files_, file + "user_id = ?1 AND (created_ms, file_id) < (?2, ?3) "
                              "ORDER BY created_ms DESC, file_id DESC LIMIT ?4"},
        {&file_usage_, "SELECT count(*), coalesce(sum(size), 0) FROM files WHERE user_id = ?1"},
        {&upload_usage_,
         "SELECT count(*), coalesce(sum(size), 0) FROM uploads WHERE state = 1 AND user_id = ?1"},
        {&rate_, "SELECT state FROM rates WHERE user_id = ?1"},
        {&set_rate_,
         "INSERT INTO rates VALUES(?1, ?2) ON CONFLICT DO UPDATE SET state = excluded.state"},
        {&old_rates_, "DELETE FROM rates WHERE state < ?1"},
        {&expired_, upload + "state = 1 AND expires_ms <= ?1 ORDER BY expires_ms LIMIT ?2"},
        {&ended_, upload + "state <> 1 AND ended_ms < ?1 ORDER BY ended_ms LIMIT ?2"},
        {&under_way_, upload + "state = 1"},
        {&old_files_, file + "created_ms < ?1 ORDER BY created_ms LIMIT ?2"},
        {&unprocessed_, file + "status IN (1, 2) ORDER BY created_ms"},
        {&has_blob_,
         "SELECT 1 FROM files WHERE file_id = ?1 UNION ALL "
         "SELECT 1 FROM uploads WHERE file_id = ?1 AND state = 1"},
        {&file_count_, "SELECT count(*) FROM files"},
    });
  }

  absl::Status Commit() override {
    if (in_transaction_) reserve_.Prepare();
    if (status_.ok() && in_transaction_) status_ = commit_.Run();
    in_transaction_ = false;
    return status_;
  }

  std::optional<UploadRecord> FindUpload(std::string_view user_id,
                                         std::string_view upload_id) override {
    find_upload_.Bind(1, user_id).Bind(2, upload_id);
    return First(find_upload_, ReadUpload);
  }

  void InsertUpload(UploadRecord* upload) override {
    Begin();
    insert_upload_.Bind(1, upload->user_id)
        .Bind(2, upload->upload_id)
        .Bind(3, upload->file_id)
        .Bind(4, upload->filename)
        .Bind(5, upload->mimetype)
        .Bind(6, upload->sha256)
        .Bind(7, upload->metadata)
        .Bind(8, upload->types)
        .Bind(9, upload->size)
        .Bind(10, upload->chunk_size)
        .Bind(11, static_cast<int64_t>(upload->state))
        .Bind(12, upload->failure)
        .Bind(13, upload->expires_ms)
        .Bind(14, upload->ended_ms);
    Run(insert_upload_);
    upload->number = sqlite3_last_insert_rowid(database_.handle());
  }

  void SetExpiry(int64_t number, int64_t expires_ms) override {
    Begin();
    Run(set_expiry_.Bind(1, number).Bind(2, expires_ms));
  }

  void EndUpload(const UploadRecord& upload) override {
    Begin();
    Run(end_upload_.Bind(1, upload.number)
            .Bind(2, static_cast<int64_t>(upload.state))
            .Bind(3, upload.failure)
            .Bind(4, upload.ended_ms));
    Run(forget_received_.Bind(1, upload.number));
  }

  void DeleteUpload(int64_t number) override {
    Begin();
    Run(delete_upload_.Bind(1, number));
    Run(forget_received_.Bind(1, number));
  }

  ChunkRanges Received(int64_t number) override {
    ChunkRanges received;
    Each(received_.Bind(1, number),
         [&](const SqliteStatement& row) { received.Add(row.Int(0), row.Int(1)); });
    return received;
  }

  void AddReceived(int64_t number, int64_t first, int64_t last) override {
    Begin();
    Run(add_received_.Bind(1, number).Bind(2, first).Bind(3, last));
  }

  void ReplaceReceived(int64_t number, const ChunkRanges& received) override {
    Begin();
    Run(forget_received_.Bind(1, number));
    for (const auto& [first, last] : received.ranges()) AddReceived(number, first, last);
  }

  void InsertFile(const FileRecord& file) override {
    Begin();
    Run(insert_file_.Bind(1, file.file_id)
            .Bind(2, file.upload_id)
            .Bind(3, file.user_id)
            .Bind(4, file.filename)
            .Bind(5, file.mimetype)
            .Bind(6, file.sha256)
            .Bind(7, file.metadata)
            .Bind(8, file.types)
            .Bind(9, file.size)
            .Bind(10, file.created_ms)
            .Bind(11, static_cast<int64_t>(file.status))
            .Bind(12, file.details)
            .Bind(13, file.attempts));
  }

  std::optional<FileRecord> FindFile(std::string_view file_id) override {
    return First(find_file_.Bind(1, file_id), ReadFile);
  }

  void UpdateFile(const FileRecord& file) override {
    Begin();
    Run(update_file_.Bind(1, file.file_id)
            .Bind(2, static_cast<int64_t>(file.status))
            .Bind(3, file.details)
            .Bind(4, file.mimetype)
            .Bind(5, file.attempts));
  }

  void DeleteFile(std::string_view file_id) override {
    Begin();
    Run(delete_file_.Bind(1, file_id));
  }

  std::vector<FileRecord> ListFiles(std::string_view user_id, int64_t created_ms,
                                    std::string_view file_id, int limit) override {
    list_files_.Bind(1, user_id).Bind(2, created_ms).Bind(3, file_id).Bind(4, int64_t{limit});
    return All(list_files_, ReadFile);
  }

  Usage UsageOf(std::string_view user_id) override {
    Usage usage;
    Each(file_usage_.Bind(1, user_id), [&](const SqliteStatement& row) {
      usage.files = row.Int(0);
      usage.file_bytes = row.Int(1);
    });
    Each(upload_usage_.Bind(1, user_id), [&](const SqliteStatement& row) {
      usage.uploads = row.Int(0);
      usage.upload_bytes = row.Int(1);
    });
    return usage;
  }

  std::optional<int64_t> RateState(std::string_view user_id) override {
    return First(rate_.Bind(1, user_id), [](const SqliteStatement& row) { return row.Int(0); });
  }
  void SetRateState(std::string_view user_id, int64_t state) override {
    Begin();
    Run(set_rate_.Bind(1, user_id).Bind(2, state));
  }
  void DeleteRateStatesBefore(int64_t state) override {
    Begin();
    Run(old_rates_.Bind(1, state));
  }

  std::vector<UploadRecord> ExpiredUploads(int64_t now_ms, int limit) override {
    return All(expired_.Bind(1, now_ms).Bind(2, int64_t{limit}), ReadUpload);
  }
  std::vector<UploadRecord> EndedUploads(int64_t before_ms, int limit) override {
    return All(ended_.Bind(1, before_ms).Bind(2, int64_t{limit}), ReadUpload);
  }
  std::vector<FileRecord> FilesOlderThan(int64_t before_ms, int limit) override {
    return All(old_files_.Bind(1, before_ms).Bind(2, int64_t{limit}), ReadFile);
  }
  std::vector<FileRecord> UnprocessedFiles() override { return All(unprocessed_, ReadFile); }

  void EachUploadUnderWay(const std::function<void(const UploadRecord&)>& each) override {
    Each(under_way_, [&](const SqliteStatement& row) { each(ReadUpload(row)); });
  }
  bool HasBlob(std::string_view file_id) override {
    bool found = false;
    Each(has_blob_.Bind(1, file_id), [&](const SqliteStatement&) { found = true; });
    return found;
  }
  int64_t file_count() override {
    int64_t count = 0;
    Each(file_count_, [&](const SqliteStatement& row) { count = row.Int(0); });
    return count;
  }

 private:
  SqliteDatabase database_;
  DiskReserve reserve_;
  absl::Status status_;
  bool in_transaction_ = false;
  SqliteStatement begin_, commit_;
  SqliteStatement find_upload_, insert_upload_, set_expiry_, end_upload_, delete_upload_;
  SqliteStatement received_, add_received_, forget_received_;
  SqliteStatement insert_file_, find_file_, update_file_, delete_file_, list_files_;
  SqliteStatement file_usage_, upload_usage_, rate_, set_rate_, old_rates_;
  SqliteStatement expired_, ended_, under_way_, old_files_, unprocessed_, has_blob_, file_count_;
};

absl::Status CheckTables(SqliteDatabase& database, const std::string& path) {
  const absl::StatusOr<int64_t> tables =
      database.QueryInt("SELECT count(*) FROM sqlite_master WHERE type='table'");
  const absl::StatusOr<int64_t> application = database.QueryInt("PRAGMA application_id");
  const absl::StatusOr<int64_t> version = database.QueryInt("PRAGMA user_version");
  for (const auto* value : {&tables, &application, &version}) {
    if (!value->ok()) return value->status();
  }
  if (*tables == 0) {
    const std::string sql =
        absl::StrCat("BEGIN IMMEDIATE;", kTables, "PRAGMA application_id=", kApplicationId,
                     ";PRAGMA user_version=", kVersion, ";COMMIT;");
    return database.Execute(sql.c_str());
  }
  if (*application != kApplicationId) {
    return absl::FailedPreconditionError(absl::StrCat(path, " does not hold files' metadata"));
  }
  if (*version == 1) return database.Execute(kUpgrade);
  if (*version != kVersion) {
    return absl::FailedPreconditionError(
        absl::StrCat(path, " has format ", *version, "; this program knows ", kVersion, " only"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<Metadata>> OpenSqliteMetadata(const std::string& path) {
  absl::StatusOr<SqliteDatabase> database = SqliteDatabase::Open(path);
  if (!database.ok()) return database.status();
  const absl::StatusOr<std::string> mode = database->QueryText("PRAGMA journal_mode=WAL");
  if (!mode.ok()) return mode.status();
  if (*mode != "wal") {
    return absl::FailedPreconditionError(
        absl::StrCat(path, ": its file system cannot hold a write-ahead log"));
  }
  absl::Status status = database->Execute("PRAGMA synchronous=FULL; PRAGMA temp_store=MEMORY;");
  if (status.ok()) status = CheckTables(*database, path);
  if (!status.ok()) return status;
  auto metadata = std::make_unique<SqliteMetadata>(*std::move(database), path);
  if (status = metadata->Prepare(); !status.ok()) return status;
  return metadata;
}

}  // namespace covet::files
