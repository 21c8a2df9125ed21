#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "common/eventlog/member_lease_store.h"

namespace covet::eventlog {

struct SqliteLeaseOptions {
  // Made if missing; may be an event log's.
  std::string directory;
  // Files are <name>.db (with -wal and -shm) and <name>.lock.
  std::string name = "members";
  // Bound of the changes that wait; beyond it the newest are dropped and counted.
  int64_t queue_bytes = int64_t{32} << 20;
};

// Leases in a SQLite file of their own. One thread writes in batches whatever queued up, without
// fsync. A disk that fails loses changes and counts them. A file that is damaged, as power loss may
// leave it, or has another format begins empty. The destructor writes what was accepted.
//
// FAILED_PRECONDITION if another process has the file open.
absl::StatusOr<std::unique_ptr<MemberLeaseStore>> OpenSqliteMemberLeaseStore(
    SqliteLeaseOptions options);

}  // namespace covet::eventlog
