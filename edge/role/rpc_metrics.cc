#include "edge/role/rpc_metrics.h"

#include <functional>
#include <string>
#include <utility>

namespace covet::edge {

std::vector<metrics::CallbackRegistration> RegisterEdgeRpcMetrics(
    metrics::Registry& registry, const SessionShared& shared, const RpcLink& link,
    const std::vector<std::unique_ptr<EdgeWorker>>& workers) {
  std::vector<metrics::CallbackRegistration> registrations;
  const auto gauge = [&](const std::string& name, const std::string& help,
                         std::function<double()> read) {
    registrations.push_back(registry.AddCallbackGauge(name, help, {}, std::move(read)));
  };
  const auto count = [&](const std::string& name, const std::string& help,
                         int64_t RpcLinkCounters::*member) {
    registrations.push_back(registry.AddCallbackCounter(
        name, help, {}, [&link, member] { return static_cast<double>(link.counters().*member); }));
  };
  gauge("covet_edge_rpc_in_flight", "RPC calls under way.",
        [&shared] { return static_cast<double>(shared.running.load()); });
  gauge("covet_edge_rpc_link_connected", "1 while the link to rpc is up, else 0.",
        [&link] { return link.connected() ? 1.0 : 0.0; });
  count("covet_edge_rpc_link_connects_total", "Times that the link to rpc came up.",
        &RpcLinkCounters::connects);
  count("covet_edge_rpc_calls_total", "Calls sent to the rpc service.", &RpcLinkCounters::calls);
  count("covet_edge_rpc_refused_total", "Calls refused because too many waited.",
        &RpcLinkCounters::refused);
  count("covet_edge_rpc_not_sent_total",
        "Calls that waited too long for the rpc service, or past their ttl.",
        &RpcLinkCounters::not_sent);
  count("covet_edge_rpc_lost_total", "Calls under way when the link broke: outcome unknown.",
        &RpcLinkCounters::lost);
  count("covet_edge_rpc_cancelled_total",
        "Calls given up by the edge: cancelled, timed out, or their connection closed.",
        &RpcLinkCounters::cancelled);
  count("covet_edge_rpc_frames_sent_total", "Frames to the rpc service.",
        &RpcLinkCounters::frames_out);
  count("covet_edge_rpc_frames_received_total", "Frames from the rpc service.",
        &RpcLinkCounters::frames_in);
  registrations.push_back(registry.AddCallbackCounter(
      "covet_edge_rpc_timeouts_total", "Calls that ran out of time.", {}, [&workers] {
        int64_t sum = 0;
        for (const auto& worker : workers) sum += worker->calls ? worker->calls->timeouts() : 0;
        return static_cast<double>(sum);
      }));
  return registrations;
}

}  // namespace covet::edge
