#include "common/limits/address.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cstring>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/base/string_map.h"

namespace covet::limits {
namespace {

constexpr std::array<uint8_t, 12> kMappedPrefix = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
constexpr int kMappedBits = 96;

bool IsNumber(std::string_view text) {
  return !text.empty() && text.size() <= 5 &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace

std::optional<IpAddress> IpAddress::Parse(std::string_view text) {
  char buffer[INET6_ADDRSTRLEN + 1];
  // inet_pton stops at a NUL; what follows one must not be passed over.
  if (text.size() >= sizeof buffer || text.find('\0') != std::string_view::npos) {
    return std::nullopt;
  }
  std::copy(text.begin(), text.end(), buffer);
  buffer[text.size()] = '\0';
  uint8_t bytes[16];
  if (inet_pton(AF_INET, buffer, bytes) == 1) return FromV4Bytes(bytes);
  if (inet_pton(AF_INET6, buffer, bytes) == 1) return FromV6Bytes(bytes);
  return std::nullopt;
}

std::optional<IpAddress> IpAddress::ParseWithPort(std::string_view text) {
  if (!text.empty() && text.front() == '[') {
    const size_t end = text.find(']');
    if (end == std::string_view::npos) return std::nullopt;
    const std::string_view rest = text.substr(end + 1);
    if (!rest.empty() && (rest.front() != ':' || !IsNumber(rest.substr(1)))) return std::nullopt;
    const std::string_view inside = text.substr(1, end - 1);
    if (inside.find(':') == std::string_view::npos) return std::nullopt;
    return Parse(inside);
  }
  const size_t colon = text.find(':');
  // One colon is IPv4 with a port; an IPv6 address has more.
  if (colon != std::string_view::npos && text.find(':', colon + 1) == std::string_view::npos) {
    if (!IsNumber(text.substr(colon + 1))) return std::nullopt;
    text = text.substr(0, colon);
  }
  return Parse(text);
}

IpAddress IpAddress::FromV4Bytes(const uint8_t* bytes) {
  IpAddress address;
  std::copy(kMappedPrefix.begin(), kMappedPrefix.end(), address.bytes_.begin());
  std::copy(bytes, bytes + 4, address.bytes_.begin() + kMappedPrefix.size());
  return address;
}

IpAddress IpAddress::FromV6Bytes(const uint8_t* bytes) {
  IpAddress address;
  std::copy(bytes, bytes + 16, address.bytes_.begin());
  return address;
}

bool IpAddress::is_v4() const {
  return std::equal(kMappedPrefix.begin(), kMappedPrefix.end(), bytes_.begin());
}

std::string IpAddress::ToString() const {
  char buffer[INET6_ADDRSTRLEN];
  const bool v4 = is_v4();
  return inet_ntop(v4 ? AF_INET : AF_INET6, bytes_.data() + (v4 ? kMappedPrefix.size() : 0), buffer,
                   sizeof buffer);
}

std::string IpAddress::LimitKey() const {
  if (is_v4()) return ToString();
  IpAddress network = *this;
  std::fill(network.bytes_.begin() + 8, network.bytes_.end(), 0);
  return network.ToString() + "/64";
}

absl::StatusOr<NetworkList> NetworkList::Parse(absl::Span<const std::string> networks) {
  NetworkList list;
  for (const std::string& text : networks) {
    const size_t slash = text.find('/');
    const auto address = IpAddress::Parse(std::string_view(text).substr(0, slash));
    // A prefix counts within the form in which the network is written.
    const bool v4 = text.find(':') == std::string::npos;
    const int width = v4 ? 32 : 128;
    int bits = width;
    const bool bad_prefix = slash != std::string::npos &&
                            (!IsNumber(std::string_view(text).substr(slash + 1)) ||
                             !absl::SimpleAtoi(text.substr(slash + 1), &bits) || bits > width);
    if (!address || bad_prefix) {
      return absl::InvalidArgumentError(
          absl::StrCat("\"", text, "\" is neither an address nor a network such as 10.0.0.0/8"));
    }
    list.networks_.push_back({address->bytes(), v4 ? bits + kMappedBits : bits});
  }
  return list;
}

bool NetworkList::Contains(const IpAddress& address) const {
  const auto& bytes = address.bytes();
  return std::any_of(networks_.begin(), networks_.end(), [&bytes](const Network& network) {
    const int whole = network.prefix_bits / 8;
    const int rest = network.prefix_bits % 8;
    if (std::memcmp(network.bytes.data(), bytes.data(), whole) != 0) return false;
    return rest == 0 || ((network.bytes[whole] ^ bytes[whole]) >> (8 - rest)) == 0;
  });
}

IpAddress ResolveClient(const IpAddress& peer, absl::Span<const std::string_view> forwarded,
                        const NetworkList& trusted) {
  IpAddress client = peer;
  if (!trusted.Contains(client)) return client;
  for (auto header = forwarded.rbegin(); header != forwarded.rend(); ++header) {
    const std::vector<absl::string_view> hops = absl::StrSplit(ToAbsl(*header), ',');
    for (auto hop = hops.rbegin(); hop != hops.rend(); ++hop) {
      const absl::string_view text = absl::StripAsciiWhitespace(*hop);
      const auto address = IpAddress::ParseWithPort({text.data(), text.size()});
      if (!address) return client;
      client = *address;
      if (!trusted.Contains(client)) return client;
    }
  }
  return client;
}

}  // namespace covet::limits
