// covet-floor: see floor.h.

#include <sys/resource.h>

#include <cstdio>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "bench/floor/floor.h"

ABSL_FLAG(int, port, 8100, "port on 127.0.0.1");
ABSL_FLAG(int, threads, 1, "threads, each with its own listener and epoll");
ABSL_FLAG(int, event_bytes, 480, "bytes of the text that goes to each member");

int main(int argc, char** argv) {
  absl::SetProgramUsageMessage("The cheapest WebSocket broadcast, to measure against.");
  absl::ParseCommandLine(argc, argv);
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);

  covet::bench::FloorOptions options;
  options.port = static_cast<uint16_t>(absl::GetFlag(FLAGS_port));
  options.threads = absl::GetFlag(FLAGS_threads);
  options.event_bytes = static_cast<size_t>(absl::GetFlag(FLAGS_event_bytes));
  auto floor = covet::bench::Floor::Start(options);
  if (!floor.ok()) {
    std::fprintf(stderr, "covet-floor: %s\n", floor.status().ToString().c_str());
    return 1;
  }
  (*floor)->Serve();
}
