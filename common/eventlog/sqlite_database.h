#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace covet::eventlog {

// How long a connection waits for another one's lock unless told otherwise.
inline constexpr int kBusyTimeoutMs = 10'000;

class SqliteDatabase;

// A prepared statement. Used by one thread; ends before its database. Parameters count from 1,
// columns from 0. Bound text and blobs are not copied: they must live until the next Reset.
class SqliteStatement {
 public:
  SqliteStatement() = default;

  SqliteStatement& Bind(int index, int64_t value);
  SqliteStatement& Bind(int index, std::string_view blob);
  // True if there is a row. Resets itself at the end and on an error.
  absl::StatusOr<bool> Step();
  // For statements without rows.
  absl::Status Run();
  // Ends a walk early, and with it the read transaction it may hold.
  void Reset();

  int64_t Int(int column) const { return sqlite3_column_int64(statement_.get(), column); }
  // Valid until the next Step or Reset.
  std::string_view Blob(int column) const;

 private:
  friend class SqliteDatabase;
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
  };
  explicit SqliteStatement(sqlite3_stmt* statement) : statement_(statement) {}
  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
};

// Resets a statement at the end of a scope.
class ResetAtExit {
 public:
  explicit ResetAtExit(SqliteStatement& statement) : statement_(statement) {}
  ~ResetAtExit() { statement_.Reset(); }
  ResetAtExit(const ResetAtExit&) = delete;
  ResetAtExit& operator=(const ResetAtExit&) = delete;

 private:
  SqliteStatement& statement_;
};

// A connection. Used by one thread at a time.
class SqliteDatabase {
 public:
  // Opens or makes the file.
  static absl::StatusOr<SqliteDatabase> Open(const std::string& path);

  absl::Status Execute(const char* sql);
  absl::StatusOr<SqliteStatement> Prepare(std::string_view sql);
  absl::Status Prepare(
      std::initializer_list<std::pair<SqliteStatement*, std::string_view>> statements);
  // The first column of the first row; for pragmas.
  absl::StatusOr<int64_t> QueryInt(const std::string& sql);
  absl::StatusOr<std::string> QueryText(const std::string& sql);

  sqlite3* handle() const { return handle_.get(); }

 private:
  struct Close {
    void operator()(sqlite3* handle) const { sqlite3_close_v2(handle); }
  };
  explicit SqliteDatabase(sqlite3* handle) : handle_(handle) {}
  std::unique_ptr<sqlite3, Close> handle_;
};

// DATA_LOSS for damage, RESOURCE_EXHAUSTED for a full disk, else INTERNAL; the text is SQLite's.
absl::Status SqliteError(sqlite3* handle, int code, const std::string& what);

}  // namespace covet::eventlog
