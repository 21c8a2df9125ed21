// covet-rpc-load: calls of EchoService, bare or through Covet's WebSocket, and what they took.

#include <sys/prctl.h>

#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "bench/load/jwt.h"
#include "bench/load/process_stats.h"
#include "bench/rpc/caller.h"

ABSL_FLAG(std::string, over, "grpc", "grpc: the bare call; websocket: rpc_call through Covet");
ABSL_FLAG(std::string, address, "", "IPv4:PORT of the backend, or of Covet");
ABSL_FLAG(std::string, method, "bench.echo", "the method's name at Covet");
ABSL_FLAG(int, in_flight, 1, "calls in flight, one on each connection");
ABSL_FLAG(double, rate, 0,
          "calls per second on 16 connections in turn, instead of so many in flight");
ABSL_FLAG(absl::Duration, warmup, absl::Seconds(1), "calling before the measured interval");
ABSL_FLAG(absl::Duration, duration, absl::Seconds(3), "the measured interval");
ABSL_FLAG(std::vector<std::string>, pid, {}, "NAME:PID of processes whose CPU is told per call");
ABSL_FLAG(std::string, jwt_secret, "", "signs the token (HS256)");
ABSL_FLAG(std::string, jwt_key_id, "", "the token's kid");
ABSL_FLAG(std::vector<std::string>, jwt_roles, {}, "the token's roles");
ABSL_FLAG(std::string, json, "", "write the result to this file as JSON");

namespace covet::bench {
namespace {

constexpr int kRateConnections = 16;

struct Watched {
  std::string name;
  std::vector<int> pid;
  uint64_t cpu_ns = 0;
};

std::vector<Watched> WatchedProcesses() {
  std::vector<Watched> all;
  for (const std::string& text : absl::GetFlag(FLAGS_pid)) {
    const std::vector<std::string> parts = absl::StrSplit(text, ':');
    int pid = 0;
    if (parts.size() == 2 && absl::SimpleAtoi(parts[1], &pid)) all.push_back({parts[0], {pid}});
  }
  return all;
}

absl::StatusOr<std::unique_ptr<Caller>> MakeCaller(const CallShape& shape) {
  const std::string address = absl::GetFlag(FLAGS_address);
  if (absl::GetFlag(FLAGS_over) == "grpc") return MakeGrpcCaller(address);
  const int64_t now = absl::ToUnixSeconds(absl::Now());
  const std::string token = MintToken({.subject = "bench_user",
                                       .roles = absl::GetFlag(FLAGS_jwt_roles),
                                       .key_id = absl::GetFlag(FLAGS_jwt_key_id),
                                       .issued_at = now,
                                       .expires_at = now + 3600},
                                      absl::GetFlag(FLAGS_jwt_secret));
  return MakeWebSocketCaller(address, absl::StrCat("Authorization: Bearer ", token, "\r\n"),
                             absl::GetFlag(FLAGS_method),
                             shape.rate > 0 ? kRateConnections : shape.in_flight);
}

absl::Status RunCalls() {
  prctl(PR_SET_TIMERSLACK, 1);  // The default of 50 µs would show in the schedule.
  const CallShape shape{absl::GetFlag(FLAGS_in_flight), absl::GetFlag(FLAGS_rate)};
  absl::StatusOr<std::unique_ptr<Caller>> caller = MakeCaller(shape);
  if (!caller.ok()) return caller.status();
  std::vector<Watched> watched = WatchedProcesses();
  absl::Status failed;
  const auto read = [&](auto set) {
    for (Watched& process : watched) {
      const absl::StatusOr<CpuUsage> usage = ReadCpuUsage(process.pid);
      usage.ok() ? set(process, usage->total_ns) : failed.Update(usage.status());
    }
  };
  const absl::Duration interval = absl::GetFlag(FLAGS_duration);
  const CallFigures figures = (*caller)->Run(
      shape, absl::GetFlag(FLAGS_warmup), interval,
      [&] { read([](Watched& process, uint64_t ns) { process.cpu_ns = ns; }); },
      [&] { read([](Watched& process, uint64_t ns) { process.cpu_ns = ns - process.cpu_ns; }); });
  if (!failed.ok()) return failed;
  if (figures.calls == 0) {
    return absl::UnavailableError(absl::StrCat("no call came back: ", figures.first_error));
  }
  const auto calls = static_cast<double>(figures.calls);
  std::string json = absl::StrCat(
      "{\"calls_per_second\": ", calls / absl::ToDoubleSeconds(interval),
      ", \"latency_us_p50\": ", static_cast<double>(figures.latency.Quantile(0.5)) / 1e3,
      ", \"latency_us_p99\": ", static_cast<double>(figures.latency.Quantile(0.99)) / 1e3,
      ", \"errors\": ", figures.errors);
  for (const Watched& process : watched) {
    absl::StrAppend(&json, ", \"cpu_us_per_call_", process.name,
                    "\": ", static_cast<double>(process.cpu_ns) / 1e3 / calls);
  }
  json += "}\n";
  std::fputs(json.c_str(), stdout);
  if (figures.errors > 0) std::fprintf(stderr, "first error: %s\n", figures.first_error.c_str());
  if (const std::string path = absl::GetFlag(FLAGS_json); !path.empty()) {
    std::ofstream file(path);
    file << json;
    if (!file.flush()) return absl::UnavailableError(absl::StrCat("cannot write ", path));
  }
  return absl::OkStatus();
}

}  // namespace
}  // namespace covet::bench

int main(int argc, char** argv) {
  absl::SetProgramUsageMessage("Calls of the RPC benchmark; see --over.");
  absl::ParseCommandLine(argc, argv);
  const absl::Status status = covet::bench::RunCalls();
  if (status.ok()) return 0;
  std::fprintf(stderr, "covet-rpc-load: %s\n", status.ToString().c_str());
  return 1;
}
