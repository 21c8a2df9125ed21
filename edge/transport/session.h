#pragma once

#include <boost/asio/ssl/context.hpp>
#include <cstdint>
#include <functional>
#include <string>

#include "edge/transport/asio_types.h"
#include "edge/transport/edge_loop.h"

// The ways an accepted socket can go; each in a translation unit of its own, for what they include
// is heavy.
namespace covet::edge {

// HTTP, then perhaps WebSocket. `peer` is the client's address; the first request's header, and
// with TLS the handshake, must be complete at `deadline_ms`. On the loop's thread.
void StartPlainSession(EdgeLoop* loop, TcpSocket socket, std::string peer, int64_t deadline_ms);
// `context` must outlive the loop.
void StartTlsSession(EdgeLoop* loop, TcpSocket socket, net::ssl::context* context, std::string peer,
                     int64_t deadline_ms);

// Reads a PROXY protocol header, then gives the socket to `next` with the address it named, or with
// `peer` if it named none. Closes the socket if the header is malformed or late.
void StartProxyHeader(EdgeLoop* loop, TcpSocket socket, std::string peer, int64_t deadline_ms,
                      std::function<void(TcpSocket socket, std::string peer)> next);

}  // namespace covet::edge
