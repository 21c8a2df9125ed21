#pragma once

#include <grpcpp/support/status.h>

#include "absl/status/status.h"

namespace covet {

// The status as gRPC's callers get it: with google.rpc.Status in its details, which holds one
// ErrorInfo (domain `covet`, the reason of the table, the details as metadata), a BadRequest where
// the details name a `field`, and a RetryInfo for RATE_LIMITED (if the details say
// `retry_after_ms`) and UNAVAILABLE (1 s if they do not). Thread-safe.
grpc::Status ToGrpcStatus(const absl::Status& status);

// The way back: an ErrorInfo of the domain `covet` becomes what MakeError would have made; any
// other status keeps its code and message alone. Thread-safe.
absl::Status FromGrpcStatus(const grpc::Status& status);

}  // namespace covet
