#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "common/base/id_generator.h"
#include "common/eventlog/sqlite_database.h"

namespace covet::eventlog {

// The writer's connection: WAL, synchronous=FULL, no automatic checkpoints, tables made or their
// version checked, epochs renewed if the file is a copy. The caller holds the lock.
absl::StatusOr<SqliteDatabase> OpenWriterDatabase(const std::string& database_path,
                                                  const std::string& mark_path, IdGenerator& ids);

// A reader's connection to what OpenWriterDatabase opened.
absl::StatusOr<SqliteDatabase> OpenReaderDatabase(const std::string& database_path);

}  // namespace covet::eventlog
