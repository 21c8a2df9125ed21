#pragma once

#include <vector>

#include "common/backends/backend.h"
#include "services/rpc/method.h"
#include "services/rpc/method_registry.h"
#include "services/rpc/rpc_metrics.h"

namespace covet::rpc {

// The unary methods of a backend as it is now; none until its schema was found. The backend must
// outlive them.
std::vector<MethodPtr> BackendMethods(backends::Backend& backend, RpcMetrics& metrics);

// What a backend's methods will be named by, while its schema was not found; else empty.
std::vector<AwaitedNames> AwaitedNamesOf(const backends::Backend& backend,
                                         const config::v1::BackendConfig& config);

}  // namespace covet::rpc
