#pragma once

#include <memory>
#include <vector>

#include "common/metrics/metrics.h"
#include "edge/role/edge_worker.h"
#include "edge/rooms/link_client.h"
#include "edge/transport/server.h"

namespace covet::edge {

// The metrics of an edge, all read from plain counters when they are scraped. docs/operations.md
// lists them. What is passed must outlive the registrations; `streams` is null where there are
// none.
std::vector<metrics::CallbackRegistration> RegisterEdgeMetrics(
    metrics::Registry& registry, TransportServer& server, const SessionShared& shared,
    const LinkClient& link, const StreamClient* streams,
    const std::vector<std::unique_ptr<EdgeWorker>>& workers);

}  // namespace covet::edge
