#pragma once

#include <cstdint>
#include <memory>

namespace grpc {
class Server;
}

namespace covet::server {

// Keeps gRPC's callback threads awake. Those of gRPC 1.51 wait 1 s for an event and then sleep 100
// ms whatever comes, so after a quiet second a call may stall that long. One event within each
// second keeps at least one thread from sleeping: this makes a health check over the in-process
// channel every `interval_ms`. One per process is enough, for all its servers and channels share
// those threads. Owns a thread.
class KeepWarm {
 public:
  static constexpr int64_t kIntervalMs = 400;

  // `server` has the default health service and must outlive this.
  explicit KeepWarm(grpc::Server& server, int64_t interval_ms = kIntervalMs);
  // Blocks until the last check has ended. To be destroyed before the server is shut down.
  ~KeepWarm();
  KeepWarm(const KeepWarm&) = delete;
  KeepWarm& operator=(const KeepWarm&) = delete;

 private:
  class Impl;
  const std::unique_ptr<Impl> impl_;
};

}  // namespace covet::server
