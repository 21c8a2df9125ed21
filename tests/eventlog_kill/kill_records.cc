#include "tests/eventlog_kill/kill_records.h"

namespace covet::eventlog {

std::string KillLogId(int log) { return "kill:" + std::to_string(log); }

std::string KillRecord(int log, int64_t offset) {
  std::string record = std::to_string(log) + "/" + std::to_string(offset) + "/";
  const uint64_t mixed =
      static_cast<uint64_t>(offset * kKillLogs + log) * uint64_t{0x9e3779b97f4a7c15};
  // Mostly small; every 64th spills over SQLite's pages.
  const size_t size = (mixed >> 58) == 0 ? 6000 : 10 + (mixed >> 56);
  record.resize(size, static_cast<char>('a' + mixed % 26));
  return record;
}

SqliteOptions KillOptions(const std::string& directory, bool tight) {
  SqliteOptions options;
  options.directory = directory;
  if (tight) {
    options.idle_checkpoint_bytes = 32 << 10;
    options.max_wal_bytes = 128 << 10;
  }
  return options;
}

}  // namespace covet::eventlog
