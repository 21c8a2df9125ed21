#pragma once

#include <memory>
#include <vector>

#include "common/metrics/metrics.h"
#include "edge/role/edge_worker.h"
#include "edge/rpc/rpc_link.h"

namespace covet::edge {

// The metrics of an edge's RPC calls, read from plain counters when they are scraped.
// docs/operations.md lists them. What is passed must outlive the registrations.
std::vector<metrics::CallbackRegistration> RegisterEdgeRpcMetrics(
    metrics::Registry& registry, const SessionShared& shared, const RpcLink& link,
    const std::vector<std::unique_ptr<EdgeWorker>>& workers);

}  // namespace covet::edge
