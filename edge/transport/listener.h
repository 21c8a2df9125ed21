#pragma once

#include <absl/status/status.h>

#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <functional>
#include <string>

#include "edge/transport/asio_types.h"

namespace covet::edge {

// One thread's acceptor; several share an address through SO_REUSEPORT. Its loop's thread only, but
// for Bind, which comes before the loop runs.
class Listener {
 public:
  using OnAccept = std::function<void(TcpSocket socket, std::string peer)>;

  Listener(net::io_context& io_context, OnAccept on_accept);

  // INVALID_ARGUMENT if `address` is none, UNAVAILABLE if it cannot be had.
  absl::Status Bind(const std::string& address, uint16_t port, int backlog);
  uint16_t port() const { return port_; }
  void Start();
  // Closes the acceptor. The clients in its backlog are reset.
  void Stop();

 private:
  void Accept();

  TcpAcceptor acceptor_;
  net::steady_timer retry_;
  OnAccept on_accept_;
  uint16_t port_ = 0;
};

}  // namespace covet::edge
