#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "edge/transport/outbound_queue.h"

namespace covet::edge {

// How a TransportServer listens and what it bounds.
struct TransportOptions {
  std::string bind_address = "0.0.0.0";  // An IPv4 or IPv6 address; "::" takes both.
  uint16_t port = 8000;                  // 0: any free one, see TransportServer::port.
  size_t threads = 1;
  int backlog = 4096;

  // PEM files, both or neither. With them every connection is TLS (1.2 or later).
  std::string tls_certificate_chain_file;
  std::string tls_private_key_file;

  // Every connection begins with a PROXY protocol header, version 1 or 2.
  bool proxy_protocol = false;
  // Addresses or networks (10.0.0.0/8) whose X-Forwarded-For is believed.
  std::vector<std::string> trusted_proxies;

  // A request's line and headers.
  size_t max_header_bytes = 16 << 10;
  // PROXY header, TLS handshake and request header together.
  int64_t handshake_timeout_ms = 10'000;
  int64_t http_keep_alive_timeout_ms = 30'000;
  // Sockets of one thread that have not been upgraded; those beyond are closed at once, and those
  // of one address (IPv6: /64) beyond as many as are free, unless it is a trusted proxy's.
  size_t max_pending_sockets = 10'000;

  // A message, inflated, until Connection::SetMaxMessageBytes raises it.
  size_t initial_max_message_bytes = 16 << 10;
  // Silence after which a connection is closed with 4408.
  int64_t idle_timeout_ms = 75'000;
  // From the close frame's queueing to the end of the socket.
  int64_t close_timeout_ms = 5'000;
  // Age of the oldest outbound message after which the reader is closed with 4413.
  int64_t max_head_age_ms = 30'000;
  QueueLimits queue;
  // Accept permessage-deflate.
  bool compression = true;

  // Every connection's timeouts are looked at once in this time.
  int64_t sweep_period_ms = 1'000;
};

}  // namespace covet::edge
