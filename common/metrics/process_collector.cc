#include "common/metrics/process_collector.h"

#include <dirent.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>

namespace covet::metrics {
namespace {

// Field `index` of /proc/self/stat, counted from 1 as in proc(5); 0 if it cannot be read.
double StatField(int index) {
  std::ifstream in("/proc/self/stat");
  std::string text((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  // The second field is a name in parentheses that may itself hold spaces and parentheses.
  const size_t end = text.rfind(')');
  if (end == std::string::npos) return 0;
  std::istringstream fields(text.substr(end + 1));
  std::string field;
  for (int i = 3; i <= index && fields >> field; ++i) {
    if (i == index) return std::stod(field);
  }
  return 0;
}

double CpuSeconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

double OpenDescriptors() {
  DIR* dir = opendir("/proc/self/fd");
  if (dir == nullptr) return 0;
  int count = -1;  // The directory's own descriptor does not count.
  while (const dirent* entry = readdir(dir)) {
    if (entry->d_name[0] != '.') ++count;
  }
  closedir(dir);
  return count;
}

double MaxDescriptors() {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  return static_cast<double>(limit.rlim_cur);
}

double StartSeconds() {
  std::ifstream in("/proc/stat");
  for (std::string line; std::getline(in, line);) {
    if (line.rfind("btime ", 0) == 0) {
      return std::stod(line.substr(6)) + StatField(22) / static_cast<double>(sysconf(_SC_CLK_TCK));
    }
  }
  return 0;
}

}  // namespace

std::vector<CallbackRegistration> AddProcessMetrics(Registry* registry) {
  const auto page = static_cast<double>(sysconf(_SC_PAGESIZE));
  const double start = StartSeconds();
  std::vector<CallbackRegistration> all;
  all.push_back(registry->AddCallbackCounter(
      "process_cpu_seconds_total", "User and system CPU time of the process.", {}, CpuSeconds));
  all.push_back(registry->AddCallbackGauge("process_resident_memory_bytes", "Resident memory.", {},
                                           [page] { return StatField(24) * page; }));
  all.push_back(registry->AddCallbackGauge("process_virtual_memory_bytes", "Virtual memory.", {},
                                           [] { return StatField(23); }));
  all.push_back(registry->AddCallbackGauge("process_threads", "Threads of the process.", {},
                                           [] { return StatField(20); }));
  all.push_back(registry->AddCallbackGauge("process_open_fds", "Open file descriptors.", {},
                                           OpenDescriptors));
  all.push_back(registry->AddCallbackGauge("process_max_fds", "The limit of open file descriptors.",
                                           {}, MaxDescriptors));
  all.push_back(registry->AddCallbackGauge(
      "process_start_time_seconds", "When the process started, seconds since the Unix epoch.", {},
      [start] { return start; }));
  return all;
}

}  // namespace covet::metrics
