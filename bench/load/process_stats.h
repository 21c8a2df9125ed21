#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace covet::bench {

// CPU time that a set of processes has used since they began.
struct CpuUsage {
  uint64_t total_ns = 0;  // By the scheduler's clock, threads that have ended included.
  uint64_t user_ns = 0;   // From /proc/PID/stat, in steps of a clock tick.
  uint64_t system_ns = 0;
  // By thread name with trailing digits cut off; threads alive now.
  std::map<std::string, uint64_t> by_thread_ns;
};

struct MemoryUsage {
  uint64_t rss_bytes = 0;
  uint64_t pss_bytes = 0;  // Shared pages divided among those that share them.
};

// Fails if one of the processes is gone.
absl::StatusOr<CpuUsage> ReadCpuUsage(const std::vector<int>& pids);
absl::StatusOr<MemoryUsage> ReadMemoryUsage(const std::vector<int>& pids);

}  // namespace covet::bench
