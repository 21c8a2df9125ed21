#include "bench/load/process_stats.h"

#include <time.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <system_error>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace covet::bench {
namespace {

std::string ReadAll(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream out;
  out << file.rdbuf();
  return out.str();
}

absl::Status Gone(int pid) {
  return absl::NotFoundError(absl::StrCat("process ", pid, " cannot be read"));
}

void AddThreads(int pid, CpuUsage* usage) {
  std::error_code error;
  for (const auto& entry :
       std::filesystem::directory_iterator(absl::StrCat("/proc/", pid, "/task"), error)) {
    std::string name = ReadAll(entry.path() / "comm");
    while (!name.empty() && (name.back() == '\n' || absl::ascii_isdigit(name.back()))) {
      name.pop_back();
    }
    uint64_t run_ns = 0;
    const std::string schedstat = ReadAll(entry.path() / "schedstat");
    if (absl::SimpleAtoi(schedstat.substr(0, schedstat.find(' ')), &run_ns)) {
      usage->by_thread_ns[name] += run_ns;
    }
  }
}

}  // namespace

absl::StatusOr<CpuUsage> ReadCpuUsage(const std::vector<int>& pids) {
  const auto tick_ns = static_cast<uint64_t>(1'000'000'000 / sysconf(_SC_CLK_TCK));
  CpuUsage usage;
  for (int pid : pids) {
    clockid_t clock;
    timespec time{};
    if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &time) != 0) return Gone(pid);
    usage.total_ns +=
        static_cast<uint64_t>(time.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(time.tv_nsec);

    // Fields are counted behind the name, which may hold spaces: utime is the 12th from there,
    // stime the 13th.
    const std::string stat = ReadAll(absl::StrCat("/proc/", pid, "/stat"));
    const size_t name_end = stat.rfind(')');
    if (name_end == std::string::npos) return Gone(pid);
    const std::vector<std::string> fields = absl::StrSplit(stat.substr(name_end + 2), ' ');
    uint64_t user = 0;
    uint64_t system = 0;
    if (fields.size() < 13 || !absl::SimpleAtoi(fields[11], &user) ||
        !absl::SimpleAtoi(fields[12], &system)) {
      return Gone(pid);
    }
    usage.user_ns += user * tick_ns;
    usage.system_ns += system * tick_ns;
    AddThreads(pid, &usage);
  }
  return usage;
}

absl::StatusOr<MemoryUsage> ReadMemoryUsage(const std::vector<int>& pids) {
  MemoryUsage usage;
  for (int pid : pids) {
    std::ifstream file(absl::StrCat("/proc/", pid, "/smaps_rollup"));
    if (!file) return Gone(pid);
    std::string line;
    while (std::getline(file, line)) {
      std::istringstream in(line);
      std::string key;
      uint64_t kilobytes = 0;
      in >> key >> kilobytes;
      if (key == "Rss:") usage.rss_bytes += kilobytes * 1024;
      if (key == "Pss:") usage.pss_bytes += kilobytes * 1024;
    }
  }
  return usage;
}

}  // namespace covet::bench
