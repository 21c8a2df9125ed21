#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "common/limits/address.h"

namespace covet::limits {

// The PROXY protocol, versions 1 and 2 (haproxy.org, doc/proxy-protocol.txt): a load balancer
// tells, before the first byte of a connection, whose it is.

enum class ProxyParse : uint8_t {
  kNeedMore,  // So far right; call again with more bytes.
  kDone,
  kInvalid,  // Not this protocol, or a header that is too long: drop the connection.
};

struct ProxyHeader {
  ProxyParse state = ProxyParse::kNeedMore;
  // Length of the header once done; the connection's own bytes follow.
  size_t consumed = 0;
  // The client. None if the balancer speaks for itself (health checks) or knows no IP address: the
  // socket's own then.
  std::optional<IpAddress> source;
  uint16_t source_port = 0;
};

// No header is longer. More than any balancer sends, TLVs included; the protocol would allow 64
// KiB.
inline constexpr size_t kMaxProxyHeaderBytes = 4096;

// Parses the start of a connection. `bytes` is everything received so far. Pure.
ProxyHeader ParseProxyHeader(std::string_view bytes);

}  // namespace covet::limits
