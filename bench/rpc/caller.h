#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "bench/load/histogram.h"

namespace covet::bench {

// What a caller has seen in its measured interval.
struct CallFigures {
  uint64_t calls = 0;
  uint64_t errors = 0;
  std::string first_error;
  Histogram latency;
};

// How calls are made: always so many in flight, or at a rate, each at its due time whatever has
// come back.
struct CallShape {
  int in_flight = 1;
  double rate = 0;  // Per second, together; 0 for a closed loop of `in_flight`.
};

// Makes calls of EchoService in one way.
class Caller {
 public:
  virtual ~Caller() = default;
  // Calls until `warmup` is over, then for `interval`, whose calls count; waits for the last.
  // `begin` and `end` run at the interval's ends.
  virtual CallFigures Run(const CallShape& shape, absl::Duration warmup, absl::Duration interval,
                          const std::function<void()>& begin, const std::function<void()>& end) = 0;
};

// The bare call, over gRPC's callback API. `address` is host:port.
std::unique_ptr<Caller> MakeGrpcCaller(const std::string& address);

// rpc_call over WebSocket: a connection for each call in flight, at a rate 16 in turn. `headers`
// are further lines of the upgrade request.
absl::StatusOr<std::unique_ptr<Caller>> MakeWebSocketCaller(const std::string& address,
                                                            const std::string& headers,
                                                            const std::string& method,
                                                            int connections);

}  // namespace covet::bench
