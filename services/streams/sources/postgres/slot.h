#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/postgres/connection.h"
#include "services/streams/sources/postgres/change_reader.h"

namespace covet::streams::postgres {

// What a stream of changes asks of a database.
struct SlotOptions {
  std::string publication;
  std::string slot;
  // `schema.table` or `table` (of `public`), as the catalog spells them; empty for every table.
  std::vector<std::string> tables;
};

struct OpenedSlot {
  // With `gap` if changes between the position asked for and this are lost.
  SlotPosition start;
  // Why, for the log of this process; empty unless that was found now.
  std::string gap_reason;
};

// Prepares a replication connection (replication=database): makes the publication and the slot if
// they are missing, and begins to stream from `position`.
//
// FAILED_PRECONDITION, with what to do about it, where the database does not allow it: wal_level,
// privileges, a publication that lacks a table, a table without a replica identity (publishing one
// would make its updates and deletes fail), a slot that another process reads.
absl::StatusOr<OpenedSlot> OpenSlot(covet::postgres::Connection& connection,
                                    const SlotOptions& options,
                                    const std::optional<SlotPosition>& position,
                                    absl::Time deadline);

}  // namespace covet::streams::postgres
