#pragma once

#include <grpcpp/support/status.h>

#include <cstdint>

#include "common/backends/circuit_breaker.h"

namespace covet::backends {

// From here on a call that ran out of time tells of the backend, not of the caller's impatience:
// what nobody chose to shorten, the default of 10 s, less what it spent on its way here.
inline constexpr int64_t kFairTimeoutMillis = 9'000;

// What the end of a unary call, `took_ms` after its start, tells of the backend. Nothing that one
// caller brings about by its params or by a short timeout is a failure, for that would refuse
// everybody's calls.
CircuitBreaker::Outcome OutcomeOf(const grpc::Status& status, int64_t took_ms);

}  // namespace covet::backends
