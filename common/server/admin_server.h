#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"

namespace covet::server {

// HTTP for operators: GET /metrics, /healthz, /readyz; 405 for other methods, 404 for other paths.
// One thread; at most 64 connections, heads of at most 8 KiB, 5 s for each request and between
// them, no request bodies.
class AdminServer {
 public:
  // Called on the server's thread.
  struct Handlers {
    std::function<std::string()> metrics;
    // Why the process is not ready; empty if it is.
    std::function<std::string()> unready;
  };

  // Listens on `host:port`; the port may be 0. UNAVAILABLE if the address cannot be bound.
  static absl::StatusOr<std::unique_ptr<AdminServer>> Start(const std::string& listen,
                                                            Handlers handlers);
  // Closes every connection and joins the thread.
  ~AdminServer();

  int port() const;

 private:
  class Impl;
  explicit AdminServer(std::unique_ptr<Impl> impl);
  const std::unique_ptr<Impl> impl_;
};

}  // namespace covet::server
