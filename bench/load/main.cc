// covet-load: many WebSocket clients against one server, and what they and the server's processes
// measured.

#include <arpa/inet.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include <cstdio>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "bench/load/jwt.h"
#include "bench/load/report.h"

ABSL_FLAG(std::string, url, "", "ws://ADDRESS:PORT[/target]; an IPv4 address");
ABSL_FLAG(std::string, protocol, "covet", "covet, plain or socketio");
ABSL_FLAG(std::string, scenario, "fanout",
          "fanout: one room of 1,000; pairs: 10,000 rooms of 2, messages spread evenly; idle: "
          "10,000 connections "
          "in rooms of 10, memory; connect: 5,000 connections, how fast. The flags below change "
          "its shape");
ABSL_FLAG(int, connections, -1, "WebSocket connections");
ABSL_FLAG(int, rooms, -1, "rooms");
ABSL_FLAG(int, members, -1, "members of each room");
ABSL_FLAG(double, rate, -1, "publishes per second, by all publishers together");
ABSL_FLAG(int, window, -1,
          "publish with this many unacknowledged per publisher instead of at a rate");
ABSL_FLAG(int, publishers, -1, "members that publish, taken from the rooms in turn");
ABSL_FLAG(int, payload, 200, "bytes of a message's payload");
ABSL_FLAG(int, concurrency, 64, "connections that may be opening at one time");
ABSL_FLAG(absl::Duration, settle, absl::Seconds(1), "quiet time after the last join");
ABSL_FLAG(absl::Duration, warmup, absl::Seconds(1), "publishing before the measured interval");
ABSL_FLAG(absl::Duration, duration, absl::Seconds(5), "the measured interval");
ABSL_FLAG(absl::Duration, connect_limit, absl::Seconds(60),
          "give up connecting and joining after this");
ABSL_FLAG(absl::Duration, drain_limit, absl::Seconds(5),
          "wait this long for what is under way at the end");
ABSL_FLAG(int, source_addresses, 4, "connect from this many addresses 127.0.0.x in turn");
ABSL_FLAG(std::string, room_prefix, "bench_", "room ids are this and a number");
ABSL_FLAG(std::vector<std::string>, server_pid, {},
          "processes of the server, to read CPU and memory of");
ABSL_FLAG(std::string, api_key, "", "send this as X-API-Key");
ABSL_FLAG(std::string, jwt_secret, "",
          "send a token signed with this (HS256), a user for each connection");
ABSL_FLAG(std::string, jwt_key_id, "", "the token's kid");
ABSL_FLAG(std::string, jwt_issuer, "", "the token's iss");
ABSL_FLAG(std::string, jwt_audience, "", "the token's aud");
ABSL_FLAG(std::vector<std::string>, jwt_roles, {}, "the token's roles");
ABSL_FLAG(bool, offer_compression, false,
          "offer permessage-deflate, for what it costs idle connections; compressed frames, those "
          "of 1 KiB and more, are not understood");
ABSL_FLAG(std::string, json, "", "write the result to this file as JSON");
ABSL_FLAG(bool, show_event, false, "print one delivered message");

namespace covet::bench {
namespace {

struct Shape {
  int connections = 0;
  int rooms = 0;
  int members = 0;
  int publishers = 0;
  double rate = 0;
  int window = 0;
};

absl::StatusOr<Shape> ShapeOfScenario() {
  const std::string name = absl::GetFlag(FLAGS_scenario);
  Shape shape;
  if (name == "fanout") {
    shape = {.connections = -1, .rooms = 1, .members = 1000, .publishers = 1, .rate = 100};
  } else if (name == "pairs") {
    shape = {.connections = 10000, .rooms = 10000, .members = 2, .publishers = -1, .rate = 2000};
  } else if (name == "idle") {
    shape = {.connections = -1, .rooms = 1000, .members = 10};
  } else if (name == "connect") {
    shape = {.connections = 5000};
  } else {
    return absl::InvalidArgumentError(absl::StrCat("unknown scenario ", name));
  }
  const auto override_with = [](auto value, auto* target) {
    if (value >= 0) *target = value;
  };
  override_with(absl::GetFlag(FLAGS_rooms), &shape.rooms);
  override_with(absl::GetFlag(FLAGS_members), &shape.members);
  override_with(absl::GetFlag(FLAGS_connections), &shape.connections);
  override_with(absl::GetFlag(FLAGS_rate), &shape.rate);
  override_with(absl::GetFlag(FLAGS_window), &shape.window);
  override_with(absl::GetFlag(FLAGS_publishers), &shape.publishers);
  if (shape.connections < 0) shape.connections = shape.rooms * shape.members;
  if (shape.publishers < 0) shape.publishers = shape.rooms * shape.members;
  const bool publishes = shape.publishers > 0 && (shape.rate > 0 || shape.window > 0);
  if (!publishes) shape.publishers = 0;
  if (shape.connections < 1 || shape.connections < shape.members ||
      shape.publishers > shape.rooms * shape.members) {
    return absl::InvalidArgumentError("too few connections, or more publishers than members");
  }
  return shape;
}

// Fills address, host header and target from --url.
absl::Status ParseUrl(SwarmOptions* options, const Protocol& protocol) {
  std::string url = absl::GetFlag(FLAGS_url);
  if (!url.starts_with("ws://")) return absl::InvalidArgumentError("--url must begin ws://");
  url.erase(0, 5);
  const size_t slash = url.find('/');
  options->host_header = url.substr(0, slash);
  options->target =
      slash == std::string::npos ? std::string(protocol.default_target()) : url.substr(slash);
  const std::vector<std::string> parts = absl::StrSplit(options->host_header, ':');
  int port = 0;
  options->server.sin_family = AF_INET;
  if (parts.size() != 2 || !absl::SimpleAtoi(parts[1], &port) || port < 1 || port > 65535 ||
      inet_pton(AF_INET, parts[0].c_str(), &options->server.sin_addr) != 1) {
    return absl::InvalidArgumentError("--url needs an IPv4 address and a port");
  }
  options->server.sin_port = htons(static_cast<uint16_t>(port));
  return absl::OkStatus();
}

// A credential as a header line, by what the flags give.
std::string CredentialHeader(int connection) {
  const std::string api_key = absl::GetFlag(FLAGS_api_key);
  if (!api_key.empty()) return absl::StrCat("X-API-Key: ", api_key, "\r\n");
  static const std::string secret = absl::GetFlag(FLAGS_jwt_secret);
  if (secret.empty()) return "";
  static const std::string issuer = absl::GetFlag(FLAGS_jwt_issuer);
  static const std::string audience = absl::GetFlag(FLAGS_jwt_audience);
  static const std::string key_id = absl::GetFlag(FLAGS_jwt_key_id);
  static const int64_t now = absl::ToUnixSeconds(absl::Now());
  const std::string user = absl::StrCat("bench_user_", connection);
  return absl::StrCat("Authorization: Bearer ",
                      MintToken({.subject = user,
                                 .roles = absl::GetFlag(FLAGS_jwt_roles),
                                 .issuer = issuer,
                                 .audience = audience,
                                 .key_id = key_id,
                                 .issued_at = now,
                                 .expires_at = now + 3600},
                                secret),
                      "\r\n");
}

std::string Headers(int connection) {
  std::string headers = CredentialHeader(connection);
  if (absl::GetFlag(FLAGS_offer_compression)) {
    headers +=
        "Sec-WebSocket-Extensions: permessage-deflate; client_no_context_takeover; "
        "server_no_context_takeover\r\n";
  }
  return headers;
}

void RaiseFileLimit() {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

uint64_t OwnCpuNanos() {
  timespec time{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<uint64_t>(time.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(time.tv_nsec);
}

absl::Status MeasurePublishing(const std::vector<int>& pids, const Shape& shape, Swarm* swarm,
                               RunResult* result) {
  if (shape.window > 0) {
    swarm->PublishWithWindow(shape.window, shape.publishers);
  } else {
    swarm->PublishAtRate(shape.rate, shape.publishers);
  }
  swarm->Run(absl::GetFlag(FLAGS_warmup));

  absl::StatusOr<CpuUsage> before = ReadCpuUsage(pids);
  if (!before.ok()) return before.status();
  swarm->StartRecording();
  const SwarmCounters counters = swarm->counters();
  const uint64_t cpu = OwnCpuNanos();
  const uint64_t begin = MonotonicNanos();
  swarm->Run(absl::GetFlag(FLAGS_duration));
  result->interval = absl::Nanoseconds(MonotonicNanos() - begin);
  result->load_cpu_ns = OwnCpuNanos() - cpu;
  result->in_interval = Difference(swarm->counters(), counters);
  absl::StatusOr<CpuUsage> after = ReadCpuUsage(pids);
  if (!after.ok()) return after.status();
  result->server = Difference(*after, *before);

  swarm->StopPublishing();
  if (!swarm->RunUntilSettled(absl::GetFlag(FLAGS_drain_limit))) {
    const SwarmCounters& total = swarm->counters();
    result->missing = total.expected - std::min(total.expected, total.delivered);
  }
  return absl::OkStatus();
}

absl::Status RunLoad() {
  RaiseFileLimit();
  prctl(PR_SET_TIMERSLACK, 1);  // The default of 50 µs would show in the publishing schedule.

  absl::StatusOr<std::unique_ptr<Protocol>> protocol = MakeProtocol(absl::GetFlag(FLAGS_protocol));
  if (!protocol.ok()) return protocol.status();
  absl::StatusOr<Shape> shape = ShapeOfScenario();
  if (!shape.ok()) return shape.status();
  std::vector<int> pids;
  for (const std::string& text : absl::GetFlag(FLAGS_server_pid)) {
    int pid = 0;
    if (!absl::SimpleAtoi(text, &pid)) return absl::InvalidArgumentError("--server_pid: numbers");
    pids.push_back(pid);
  }

  SwarmOptions options;
  if (absl::Status status = ParseUrl(&options, **protocol); !status.ok()) return status;
  options.headers = Headers;
  options.connections = shape->connections;
  options.rooms = shape->rooms;
  options.members = shape->members;
  options.room_prefix = absl::GetFlag(FLAGS_room_prefix);
  options.concurrency = absl::GetFlag(FLAGS_concurrency);
  options.source_addresses = absl::GetFlag(FLAGS_source_addresses);
  options.payload_bytes = static_cast<size_t>(std::max(0, absl::GetFlag(FLAGS_payload)));

  RunResult result;
  result.scenario = absl::GetFlag(FLAGS_scenario);
  result.protocol = absl::GetFlag(FLAGS_protocol);
  result.connections = shape->connections;
  result.rooms = shape->rooms;
  result.members = shape->members;
  result.payload_bytes = options.payload_bytes;
  result.rate = shape->rate;
  result.window = shape->window;
  result.publishers = shape->publishers;
  result.has_server = !pids.empty();

  Swarm swarm(std::move(options), *std::move(protocol));
  absl::StatusOr<MemoryUsage> memory = ReadMemoryUsage(pids);
  absl::StatusOr<CpuUsage> cpu = ReadCpuUsage(pids);
  if (!memory.ok()) return memory.status();
  if (!cpu.ok()) return cpu.status();
  result.memory_before = *memory;
  const uint64_t begin = MonotonicNanos();
  absl::Status status = swarm.ConnectAndJoin(absl::GetFlag(FLAGS_connect_limit));
  if (!status.ok()) return status;
  result.connect_time = absl::Nanoseconds(MonotonicNanos() - begin);
  const uint64_t connect_cpu = cpu->total_ns;
  cpu = ReadCpuUsage(pids);
  if (!cpu.ok()) return cpu.status();
  result.connect_server_ns = cpu->total_ns - connect_cpu;

  swarm.Run(absl::GetFlag(FLAGS_settle));
  memory = ReadMemoryUsage(pids);
  if (!memory.ok()) return memory.status();
  result.memory_after = *memory;

  if (shape->publishers > 0) {
    status = MeasurePublishing(pids, *shape, &swarm, &result);
    if (!status.ok()) return status;
  }
  result.total = swarm.counters();

  std::fputs(ToText(result, swarm).c_str(), stdout);
  if (absl::GetFlag(FLAGS_show_event)) std::printf("%s\n", swarm.sample().c_str());
  if (!swarm.first_error().empty()) {
    std::fprintf(stderr, "first error: %s\n", swarm.first_error().c_str());
  }
  if (const std::string path = absl::GetFlag(FLAGS_json); !path.empty()) {
    std::ofstream file(path);
    file << ToJson(result, swarm);
    if (!file.flush()) return absl::UnavailableError(absl::StrCat("cannot write ", path));
  }
  return absl::OkStatus();
}

}  // namespace
}  // namespace covet::bench

int main(int argc, char** argv) {
  absl::SetProgramUsageMessage("Load for one WebSocket server; see --scenario.");
  absl::ParseCommandLine(argc, argv);
  const absl::Status status = covet::bench::RunLoad();
  if (status.ok()) return 0;
  std::fprintf(stderr, "covet-load: %s\n", status.ToString().c_str());
  return 1;
}
