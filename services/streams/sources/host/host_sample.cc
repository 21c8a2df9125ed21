#include "services/streams/sources/host/host_sample.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <vector>

#include "common/payload/json_writer.h"

namespace covet::streams::host {
namespace {

constexpr uint64_t kSectorBytes = 512;  // In /proc/diskstats, whatever the device says.

// Takes the next line, or the next word of a line; empty at the end.
std::string_view TakeLine(std::string_view* text) {
  const size_t end = text->find('\n');
  const std::string_view line = text->substr(0, end);
  text->remove_prefix(end == std::string_view::npos ? text->size() : end + 1);
  return line;
}

std::string_view TakeWord(std::string_view* line) {
  line->remove_prefix(std::min(line->find_first_not_of(" \t"), line->size()));
  const size_t end = std::min(line->find_first_of(" \t"), line->size());
  const std::string_view word = line->substr(0, end);
  line->remove_prefix(end);
  return word;
}

template <typename T>
bool TakeNumber(std::string_view* line, T* value) {
  const std::string_view word = TakeWord(line);
  return std::from_chars(word.data(), word.data() + word.size(), *value).ec == std::errc();
}

bool ParseCpu(std::string_view text, HostCounters* counters) {
  std::string_view line = TakeLine(&text);
  if (TakeWord(&line) != "cpu") return false;
  // user nice system idle iowait irq softirq steal; guests are in user already.
  std::array<uint64_t, 8> ticks{};
  size_t count = 0;
  while (count < ticks.size() && TakeNumber(&line, &ticks[count])) ++count;
  if (count < 4) return false;
  for (const uint64_t value : ticks) counters->cpu_total += value;
  counters->cpu_busy = counters->cpu_total - ticks[3] - ticks[4];
  return true;
}

bool ParseMemory(std::string_view text, HostCounters* counters) {
  uint64_t total = 0;
  uint64_t available = 0;
  bool found = false;
  while (!text.empty()) {
    std::string_view line = TakeLine(&text);
    const std::string_view name = TakeWord(&line);
    if (name == "MemTotal:") TakeNumber(&line, &total);
    if (name == "MemAvailable:") found = TakeNumber(&line, &available);
  }
  if (total == 0 || !found || available > total) return false;
  counters->memory_usage =
      100.0 * static_cast<double>(total - available) / static_cast<double>(total);
  return true;
}

void ParseNetwork(std::string_view text, HostCounters* counters) {
  while (!text.empty()) {
    std::string_view line = TakeLine(&text);
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos) continue;
    std::string_view name = line.substr(0, colon);
    line.remove_prefix(colon + 1);
    // Bytes received come first, bytes sent ninth.
    std::array<uint64_t, 9> values{};
    const bool complete = std::all_of(values.begin(), values.end(),
                                      [&](uint64_t& v) { return TakeNumber(&line, &v); });
    if (!complete || TakeWord(&name) == "lo") continue;
    counters->network_received += values[0];
    counters->network_sent += values[8];
  }
}

bool IsDisk(std::string_view name, const std::vector<std::string_view>& disks) {
  constexpr std::string_view kOthers[] = {"loop", "ram", "zram", "dm-", "md", "sr", "fd"};
  const auto begins = [name](std::string_view prefix) { return name.starts_with(prefix); };
  // A partition is named after its disk, which comes before it.
  return std::none_of(std::begin(kOthers), std::end(kOthers), begins) &&
         std::none_of(disks.begin(), disks.end(), begins);
}

void ParseDisks(std::string_view text, HostCounters* counters) {
  std::vector<std::string_view> disks;
  while (!text.empty()) {
    std::string_view line = TakeLine(&text);
    TakeWord(&line);
    TakeWord(&line);
    const std::string_view name = TakeWord(&line);
    // reads, merged, sectors read, ms, writes, merged, sectors written
    std::array<uint64_t, 7> values{};
    const bool complete = std::all_of(values.begin(), values.end(),
                                      [&](uint64_t& v) { return TakeNumber(&line, &v); });
    if (!complete || !IsDisk(name, disks)) continue;
    disks.push_back(name);
    counters->disk_read += values[2] * kSectorBytes;
    counters->disk_written += values[6] * kSectorBytes;
  }
}

void AppendNumber(std::string* json, std::string_view name, double value, double scale) {
  payload::AppendMemberName(json, name);
  payload::AppendDouble(json, std::round(value * scale) / scale);
}

}  // namespace

std::optional<HostCounters> ParseHost(const ProcFiles& files) {
  HostCounters counters;
  if (!ParseCpu(files.stat, &counters) || !ParseMemory(files.meminfo, &counters)) {
    return std::nullopt;
  }
  std::string_view load = files.loadavg;
  load = TakeLine(&load);
  if (TakeNumber(&load, &counters.load_1) && TakeNumber(&load, &counters.load_5)) {
    TakeNumber(&load, &counters.load_15);
  }
  ParseNetwork(files.net_dev, &counters);
  ParseDisks(files.diskstats, &counters);
  return counters;
}

void AppendHostMembers(const HostCounters& before, const HostCounters& now, double seconds,
                       std::string* json) {
  // Counters begin anew where a device was exchanged.
  const auto rise = [](uint64_t from, uint64_t to) {
    return to > from ? static_cast<double>(to - from) : 0.0;
  };
  const double ticks = rise(before.cpu_total, now.cpu_total);
  const double busy = rise(before.cpu_busy, now.cpu_busy);
  AppendNumber(json, "cpu_usage", ticks > 0 ? std::min(100.0, 100.0 * busy / ticks) : 0.0, 10);
  AppendNumber(json, "memory_usage", now.memory_usage, 10);
  AppendNumber(json, "load_1", now.load_1, 100);
  AppendNumber(json, "load_5", now.load_5, 100);
  AppendNumber(json, "load_15", now.load_15, 100);
  const auto rate = [&](std::string_view name, uint64_t from, uint64_t to) {
    AppendNumber(json, name, seconds > 0 ? rise(from, to) / seconds : 0.0, 1);
  };
  rate("network_receive_rate", before.network_received, now.network_received);
  rate("network_send_rate", before.network_sent, now.network_sent);
  rate("disk_read_rate", before.disk_read, now.disk_read);
  rate("disk_write_rate", before.disk_written, now.disk_written);
}

}  // namespace covet::streams::host
