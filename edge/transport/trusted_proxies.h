#pragma once

#include <absl/status/statusor.h>

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace covet::edge {

// Networks whose word about a client's address is believed. Immutable, thread-safe.
class TrustedProxies {
 public:
  // Addresses or networks, IPv4 or IPv6: `10.0.0.0/8`, `::1`. INVALID_ARGUMENT names what is
  // neither.
  static absl::StatusOr<TrustedProxies> Parse(const std::vector<std::string>& networks);

  // The client behind `peer`: if that is trusted, the last address of `forwarded_for` (an
  // X-Forwarded-For header, every proxy appending whom it spoke to) that is not trusted itself;
  // else `peer`.
  std::string ClientAddress(std::string_view peer, std::string_view forwarded_for) const;

 private:
  struct Network {
    std::array<uint8_t, 16> address;  // IPv4 as ::ffff:a.b.c.d.
    int prefix_bits;
  };

  bool Contains(const std::array<uint8_t, 16>& address) const;

  std::vector<Network> networks_;
};

}  // namespace covet::edge
