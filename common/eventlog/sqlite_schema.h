#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "common/base/id_generator.h"
#include "common/eventlog/sqlite_database.h"

namespace covet::eventlog {

// Where an event log's files lie.
struct DataFiles {
  std::string database;
  std::string mark;  // instance_mark.h
};

// The writer's connection: WAL, synchronous=FULL, no automatic checkpoints, tables made or their
// version checked, the instance renewed. The caller holds the lock.
absl::StatusOr<SqliteDatabase> OpenWriterDatabase(const DataFiles& files, IdGenerator& ids);

// A reader's connection to what OpenWriterDatabase opened.
absl::StatusOr<SqliteDatabase> OpenReaderDatabase(const DataFiles& files);

// Gives the database and its mark a new token, and all logs new epochs if the two do not belong
// together. A crash at any point leaves a database that its mark recognises, or one whose epochs
// are renewed once more. Also for a clean end: what is put back in place later is then known to be
// old.
absl::Status RenewInstance(SqliteDatabase& database, const DataFiles& files, IdGenerator& ids);

}  // namespace covet::eventlog
