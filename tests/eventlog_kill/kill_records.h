#pragma once

#include <cstdint>
#include <string>

#include "common/eventlog/sqlite_event_log.h"

namespace covet::eventlog {

// What the writer that gets killed and the test that checks after it agree on.

inline constexpr int kKillLogs = 5;
inline constexpr int64_t kKillKept = 3000;  // Records that trimming leaves in each log.

std::string KillLogId(int log);
// The one text that record `offset` of a log may hold; 10 bytes to some KiB.
std::string KillRecord(int log, int64_t offset);
// `tight` makes checkpoints frequent.
SqliteOptions KillOptions(const std::string& directory, bool tight);

}  // namespace covet::eventlog
