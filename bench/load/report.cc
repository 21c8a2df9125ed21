#include "bench/load/report.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"

namespace covet::bench {
namespace {

struct Figure {
  std::string name;
  std::string value;  // As JSON.
};

std::string Number(double value) { return absl::StrFormat("%.6g", value); }

double Per(double amount, double count) { return count > 0 ? amount / count : 0; }

void AddServerCpu(const RunResult& r, std::vector<Figure>* out) {
  const auto total = static_cast<double>(r.server.total_ns);
  const auto published = static_cast<double>(r.in_interval.published);
  const auto delivered = static_cast<double>(r.in_interval.delivered);
  out->push_back({"server_cpu_us_per_delivery", Number(Per(total / 1e3, delivered))});
  out->push_back({"server_cpu_us_per_publish", Number(Per(total / 1e3, published))});
  out->push_back({"server_cores", Number(Per(total, absl::ToDoubleNanoseconds(r.interval)))});
  out->push_back({"server_system_share",
                  Number(Per(static_cast<double>(r.server.system_ns),
                             static_cast<double>(r.server.user_ns + r.server.system_ns)))});
  std::vector<std::string> threads;
  for (const auto& [name, ns] : r.server.by_thread_ns) {
    if (ns == 0) continue;
    threads.push_back(
        absl::StrCat("\"", name, "\":", Number(Per(static_cast<double>(ns) / 1e3, published))));
  }
  out->push_back(
      {"server_cpu_us_per_publish_by_thread", absl::StrCat("{", absl::StrJoin(threads, ","), "}")});
}

void AddLatency(const Histogram& h, const std::string& prefix, std::vector<Figure>* out) {
  for (const auto& [name, q] :
       {std::pair{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p999", 0.999}, {"max", 1.0}}) {
    out->push_back(
        {absl::StrCat(prefix, "_us_", name), Number(static_cast<double>(h.Quantile(q)) / 1e3)});
  }
}

std::vector<Figure> Figures(const RunResult& r, const Swarm& swarm) {
  std::vector<Figure> out;
  out.push_back({"scenario", absl::StrCat("\"", r.scenario, "\"")});
  out.push_back({"protocol", absl::StrCat("\"", r.protocol, "\"")});
  out.push_back({"connections", absl::StrCat(r.connections)});
  out.push_back({"rooms", absl::StrCat(r.rooms)});
  out.push_back({"members", absl::StrCat(r.members)});
  out.push_back({"payload_bytes", absl::StrCat(r.payload_bytes)});

  const double connect_seconds = absl::ToDoubleSeconds(r.connect_time);
  out.push_back({"connect_seconds", Number(connect_seconds)});
  out.push_back({"connections_per_second", Number(Per(r.connections, connect_seconds))});
  if (r.has_server) {
    out.push_back({"server_cpu_us_per_connection",
                   Number(Per(static_cast<double>(r.connect_server_ns) / 1e3, r.connections))});
    const auto bytes = [&](uint64_t after, uint64_t before) {
      return Number(Per(static_cast<double>(after) - static_cast<double>(before), r.connections));
    };
    out.push_back(
        {"pss_bytes_per_connection", bytes(r.memory_after.pss_bytes, r.memory_before.pss_bytes)});
    out.push_back(
        {"rss_bytes_per_connection", bytes(r.memory_after.rss_bytes, r.memory_before.rss_bytes)});
    out.push_back({"server_rss_bytes", absl::StrCat(r.memory_after.rss_bytes)});
  }

  const double seconds = absl::ToDoubleSeconds(r.interval);
  if (seconds > 0) {
    const auto delivered = static_cast<double>(r.in_interval.delivered);
    if (r.window > 0) {
      out.push_back({"window", absl::StrCat(r.window)});
    } else {
      out.push_back({"rate", Number(r.rate)});
    }
    out.push_back({"publishers", absl::StrCat(r.publishers)});
    out.push_back({"seconds", Number(seconds)});
    out.push_back(
        {"publishes_per_second", Number(static_cast<double>(r.in_interval.published) / seconds)});
    out.push_back({"deliveries_per_second", Number(delivered / seconds)});
    AddLatency(swarm.latency(), "latency", &out);
    AddLatency(swarm.ack_latency(), "ack", &out);
    if (r.window == 0) AddLatency(swarm.lateness(), "lateness", &out);
    if (r.has_server) AddServerCpu(r, &out);
    out.push_back({"load_cpu_us_per_delivery",
                   Number(Per(static_cast<double>(r.load_cpu_ns) / 1e3, delivered))});
    out.push_back({"load_cores", Number(Per(static_cast<double>(r.load_cpu_ns), seconds * 1e9))});
    out.push_back(
        {"deliveries_per_read", Number(Per(delivered, static_cast<double>(r.in_interval.reads)))});
    out.push_back({"event_bytes", absl::StrCat(swarm.sample().size())});
  }
  out.push_back({"published", absl::StrCat(r.total.published)});
  out.push_back({"acked", absl::StrCat(r.total.acked)});
  out.push_back({"delivered", absl::StrCat(r.total.delivered)});
  out.push_back({"missing", absl::StrCat(r.missing)});
  out.push_back({"errors", absl::StrCat(r.total.errors)});
  out.push_back({"disconnects", absl::StrCat(r.total.disconnects)});
  return out;
}

}  // namespace

SwarmCounters Difference(const SwarmCounters& after, const SwarmCounters& before) {
  SwarmCounters d;
  d.published = after.published - before.published;
  d.acked = after.acked - before.acked;
  d.delivered = after.delivered - before.delivered;
  d.expected = after.expected - before.expected;
  d.reads = after.reads - before.reads;
  d.errors = after.errors - before.errors;
  d.disconnects = after.disconnects - before.disconnects;
  return d;
}

CpuUsage Difference(const CpuUsage& after, const CpuUsage& before) {
  CpuUsage d;
  d.total_ns = after.total_ns - before.total_ns;
  d.user_ns = after.user_ns - before.user_ns;
  d.system_ns = after.system_ns - before.system_ns;
  for (const auto& [name, ns] : after.by_thread_ns) {
    const auto it = before.by_thread_ns.find(name);
    // A group shrinks when one of its threads ends.
    d.by_thread_ns[name] = ns - std::min(ns, it == before.by_thread_ns.end() ? 0 : it->second);
  }
  return d;
}

std::string ToJson(const RunResult& result, const Swarm& swarm) {
  return absl::StrCat("{",
                      absl::StrJoin(Figures(result, swarm), ",",
                                    [](std::string* out, const Figure& f) {
                                      absl::StrAppend(out, "\"", f.name, "\":", f.value);
                                    }),
                      "}\n");
}

std::string ToText(const RunResult& result, const Swarm& swarm) {
  std::string out;
  for (const Figure& f : Figures(result, swarm)) {
    absl::StrAppendFormat(&out, "  %-38s %s\n", f.name, f.value);
  }
  return out;
}

}  // namespace covet::bench
