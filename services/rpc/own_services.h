#pragma once

#include <memory>
#include <vector>

#include "common/protojson/schema.h"
#include "common/server/channel_provider.h"
#include "services/rpc/method.h"
#include "services/rpc/rpc_metrics.h"

namespace covet::rpc {

// The unary methods of our own services that this process has a channel to: `rooms.…`, `streams.…`
// and `files.…`. They are called on the caller's behalf, with its identity vouched for by this
// peer. To be called from Role::Start on.
std::vector<MethodPtr> OwnServiceMethods(std::shared_ptr<const protojson::Schema> schema,
                                         server::ChannelProvider& channels, RpcMetrics& metrics);

}  // namespace covet::rpc
