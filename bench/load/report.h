#pragma once

#include <cstdint>
#include <string>

#include "absl/time/time.h"
#include "bench/load/process_stats.h"
#include "bench/load/swarm.h"

namespace covet::bench {

// What one run has measured. Differences of counters and CPU are those of the measured interval.
struct RunResult {
  std::string scenario;
  std::string protocol;
  int connections = 0;
  int rooms = 0;
  int members = 0;
  size_t payload_bytes = 0;
  double rate = 0;  // Publishes per second asked for; 0 with a window.
  int window = 0;
  int publishers = 0;

  absl::Duration connect_time;  // Until the last connection was through with its joins.
  uint64_t connect_server_ns = 0;
  bool has_server = false;  // Whether the server's processes were given.
  MemoryUsage memory_before;
  MemoryUsage memory_after;

  absl::Duration interval;  // Zero where nothing was published.
  SwarmCounters in_interval;
  CpuUsage server;  // In the interval.
  uint64_t load_cpu_ns = 0;
  uint64_t missing = 0;  // Deliveries that had not come when the run gave up waiting.
  SwarmCounters total;
};

// The difference `after` - `before`, member by member.
SwarmCounters Difference(const SwarmCounters& after, const SwarmCounters& before);
CpuUsage Difference(const CpuUsage& after, const CpuUsage& before);

// One JSON object; figures that were not measured are left out.
std::string ToJson(const RunResult& result, const Swarm& swarm);
// The same for people, one figure a line.
std::string ToText(const RunResult& result, const Swarm& swarm);

}  // namespace covet::bench
