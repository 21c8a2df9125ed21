#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace covet::limits {

// An IPv4 or IPv6 address. An IPv4 address and its IPv4-mapped form (::ffff:a.b.c.d, RFC 4291
// section 2.5.5.2) are the same.
class IpAddress {
 public:
  // ::
  IpAddress() = default;
  // The usual text forms, without port, brackets or zone; nothing for anything else.
  static std::optional<IpAddress> Parse(std::string_view text);
  // As proxies write it in X-Forwarded-For: perhaps with a port, an IPv6 address then in brackets.
  static std::optional<IpAddress> ParseWithPort(std::string_view text);
  // Network byte order.
  static IpAddress FromV4Bytes(const uint8_t* bytes);
  static IpAddress FromV6Bytes(const uint8_t* bytes);

  bool is_v4() const;
  // RFC 5952; IPv4 as a.b.c.d.
  std::string ToString() const;
  // What limits count by: the address, or an IPv6 address's /64, for one customer holds at least
  // that.
  std::string LimitKey() const;
  // Network byte order, IPv4 as IPv4-mapped.
  const std::array<uint8_t, 16>& bytes() const { return bytes_; }

  friend bool operator==(const IpAddress&, const IpAddress&) = default;

 private:
  std::array<uint8_t, 16> bytes_{};
};

// Networks in CIDR notation (RFC 4632). Immutable, thread-safe.
class NetworkList {
 public:
  NetworkList() = default;
  // `10.0.0.0/8`, `2001:db8::/32`, or one address; INVALID_ARGUMENT names what is neither. Bits
  // beyond the prefix are ignored.
  static absl::StatusOr<NetworkList> Parse(absl::Span<const std::string> networks);

  bool Contains(const IpAddress& address) const;
  bool empty() const { return networks_.empty(); }

 private:
  struct Network {
    std::array<uint8_t, 16> bytes;
    int prefix_bits;
  };
  std::vector<Network> networks_;
};

// Whom a request comes from: `peer`, unless that is a trusted proxy; then the rightmost address of
// X-Forwarded-For that is not one. What stands left of it, or of anything that is no address, could
// be the client's invention. `forwarded` are the header's values, in the order of the headers.
IpAddress ResolveClient(const IpAddress& peer, absl::Span<const std::string_view> forwarded,
                        const NetworkList& trusted);

}  // namespace covet::limits
