#pragma once

#include <absl/status/statusor.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "common/base/clock.h"
#include "common/base/id_generator.h"
#include "edge/transport/edge_thread.h"
#include "edge/transport/http.h"
#include "edge/transport/options.h"

namespace covet::edge {

// What the transport asks of the rest of the edge. All must outlive the server.
struct TransportHandlers {
  UpgradeHandler* upgrade = nullptr;
  HttpHandler* http = nullptr;
  const Clock* clock = &SystemClock();
  IdGenerator* ids = &SystemIds();
};

// Listens for HTTP and WebSocket clients: one event loop and one acceptor (SO_REUSEPORT) per
// thread; a connection stays on the thread that accepted it. Thread-safe.
class TransportServer {
 public:
  // Binds and starts the threads; accepting begins with Listen. Errors: INVALID_ARGUMENT for
  // options, FAILED_PRECONDITION for certificates, UNAVAILABLE if the address cannot be bound.
  static absl::StatusOr<std::unique_ptr<TransportServer>> Create(TransportOptions options,
                                                                 const TransportHandlers& handlers);
  // As Stop.
  virtual ~TransportServer() = default;

  // Starts accepting. Until then clients wait in the backlog.
  virtual void Listen() = 0;
  virtual uint16_t port() const = 0;
  virtual size_t thread_count() const = 0;
  // Good for the server's lifetime.
  virtual EdgeThread& thread(size_t index) = 0;
  // WebSocket connections open on all threads.
  virtual size_t open_connections() const = 0;

  // Closes the listening sockets.
  virtual void StopAccepting() = 0;
  // Stops accepting, refuses upgrades with 503, and closes every connection with 1001 and the
  // reason `reconnect_after_ms=N`, N random in the window, spread evenly over the window. Returns
  // at once.
  virtual void Drain(std::chrono::milliseconds window) = 0;
  // Waits until no WebSocket connection is open; false if `timeout` passed first.
  virtual bool WaitUntilClosed(std::chrono::milliseconds timeout) = 0;
  // Ends what is left without a close handshake (its handlers get OnClosed with 1001) and joins the
  // threads. Idempotent. Not from an edge thread.
  virtual void Stop() = 0;
};

}  // namespace covet::edge
