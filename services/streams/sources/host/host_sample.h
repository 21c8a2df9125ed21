#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace covet::streams::host {

// The files of /proc that measurements come from, as text.
struct ProcFiles {
  std::string stat;
  std::string meminfo;
  std::string loadavg;
  std::string net_dev;
  std::string diskstats;
};

// The counters in them. What a machine lacks stays 0.
struct HostCounters {
  uint64_t cpu_busy = 0;  // Ticks of all cores.
  uint64_t cpu_total = 0;
  double memory_usage = 0;  // Percent of what there is that is not available.
  double load_1 = 0;
  double load_5 = 0;
  double load_15 = 0;
  uint64_t network_received = 0;  // Bytes, over all interfaces but the loopback.
  uint64_t network_sent = 0;
  uint64_t disk_read = 0;  // Bytes, over all disks; partitions and mapped devices are in them.
  uint64_t disk_written = 0;
};

// Nothing if the files of CPU and memory are not what the kernel writes.
std::optional<HostCounters> ParseHost(const ProcFiles& files);

// Appends the members of a record to a JSON object that has just begun or goes on: cpu_usage and
// memory_usage in percent, load_1, load_5, load_15, and bytes per second between the two:
// network_receive_rate, network_send_rate, disk_read_rate, disk_write_rate.
void AppendHostMembers(const HostCounters& before, const HostCounters& now, double seconds,
                       std::string* json);

}  // namespace covet::streams::host
