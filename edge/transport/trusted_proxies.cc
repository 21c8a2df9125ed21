#include "edge/transport/trusted_proxies.h"

#include <absl/status/status.h>
#include <absl/strings/ascii.h>
#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>
#include <arpa/inet.h>

#include <cstring>
#include <optional>
#include <utility>

namespace covet::edge {
namespace {

using Address = std::array<uint8_t, 16>;

struct ParsedAddress {
  Address bytes;
  bool is_v4;
};

std::optional<ParsedAddress> ParseAddress(std::string_view text) {
  const std::string terminated(text);
  ParsedAddress parsed = {.bytes = {}, .is_v4 = false};
  if (inet_pton(AF_INET, terminated.c_str(), parsed.bytes.data() + 12) == 1) {
    parsed.bytes[10] = parsed.bytes[11] = 0xff;
    parsed.is_v4 = true;
    return parsed;
  }
  if (inet_pton(AF_INET6, terminated.c_str(), parsed.bytes.data()) == 1) return parsed;
  return std::nullopt;
}

bool SamePrefix(const Address& a, const Address& b, int bits) {
  const size_t bytes = static_cast<size_t>(bits) / 8;
  if (std::memcmp(a.data(), b.data(), bytes) != 0) return false;
  const int rest = bits % 8;
  return rest == 0 || ((a[bytes] ^ b[bytes]) >> (8 - rest)) == 0;
}

}  // namespace

absl::StatusOr<TrustedProxies> TrustedProxies::Parse(const std::vector<std::string>& networks) {
  TrustedProxies proxies;
  for (const std::string& text : networks) {
    const size_t slash = text.find('/');
    const std::optional<ParsedAddress> address = ParseAddress(text.substr(0, slash));
    const int bits = address && address->is_v4 ? 32 : 128;
    int prefix = bits;
    if (!address ||
        (slash != std::string::npos && !absl::SimpleAtoi(text.substr(slash + 1), &prefix)) ||
        prefix < 0 || prefix > bits) {
      return absl::InvalidArgumentError(absl::StrCat("not an address or network: ", text));
    }
    proxies.networks_.push_back({address->bytes, prefix + (128 - bits)});
  }
  return proxies;
}

bool TrustedProxies::Contains(const Address& address) const {
  for (const Network& network : networks_) {
    if (SamePrefix(network.address, address, network.prefix_bits)) return true;
  }
  return false;
}

std::string TrustedProxies::ClientAddress(std::string_view peer,
                                          std::string_view forwarded_for) const {
  std::string client(peer);
  while (!networks_.empty()) {
    const std::optional<ParsedAddress> address = ParseAddress(client);
    if (!address || !Contains(address->bytes)) break;
    const size_t comma = forwarded_for.rfind(',');
    std::string last(comma == std::string_view::npos ? forwarded_for
                                                     : forwarded_for.substr(comma + 1));
    absl::StripAsciiWhitespace(&last);
    // Nobody trusted vouches for what is not an address.
    if (!ParseAddress(last)) break;
    client = std::move(last);
    forwarded_for = comma == std::string_view::npos ? "" : forwarded_for.substr(0, comma);
  }
  return client;
}

}  // namespace covet::edge
