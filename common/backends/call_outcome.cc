#include "common/backends/call_outcome.h"

namespace covet::backends {

using Outcome = CircuitBreaker::Outcome;

Outcome OutcomeOf(const grpc::Status& status, int64_t took_ms) {
  switch (status.error_code()) {
    case grpc::StatusCode::UNAVAILABLE:
      return Outcome::kFailure;
    case grpc::StatusCode::DEADLINE_EXCEEDED:
      return took_ms >= kFairTimeoutMillis ? Outcome::kFailure : Outcome::kNeither;
    case grpc::StatusCode::CANCELLED:
      return Outcome::kNeither;
    case grpc::StatusCode::INTERNAL:
      // A handler's, or gRPC's own on a connection that breaks the protocol.
      return status.error_details().empty() ? Outcome::kNeither : Outcome::kSuccess;
    default:
      // The backend has answered, be it UNKNOWN: so ends a handler that throws.
      return Outcome::kSuccess;
  }
}

}  // namespace covet::backends
