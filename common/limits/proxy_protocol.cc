#include "common/limits/proxy_protocol.h"

#include <algorithm>
#include <charconv>
#include <vector>

#include "absl/strings/str_split.h"
#include "common/base/string_map.h"

namespace covet::limits {
namespace {

constexpr std::string_view kV1Signature = "PROXY ";
constexpr std::string_view kV2Signature("\r\n\r\n\0\r\nQUIT\n", 12);
// The longest line of version 1, its end included.
constexpr size_t kMaxV1Bytes = 107;
constexpr size_t kV2FixedBytes = 16;

ProxyHeader Invalid() { return {ProxyParse::kInvalid, 0, std::nullopt, 0}; }

std::optional<uint16_t> ParsePort(absl::string_view text) {
  uint16_t port = 0;
  if (text.empty() || (text.size() > 1 && text[0] == '0')) return std::nullopt;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return port;
}

ProxyHeader ParseV1(std::string_view bytes) {
  const size_t end = bytes.substr(0, kMaxV1Bytes).find("\r\n");
  if (end == std::string_view::npos) {
    return bytes.size() >= kMaxV1Bytes ? Invalid() : ProxyHeader();
  }
  ProxyHeader header;
  header.state = ProxyParse::kDone;
  header.consumed = end + 2;
  const std::vector<absl::string_view> words =
      absl::StrSplit(ToAbsl(bytes.substr(kV1Signature.size(), end - kV1Signature.size())), ' ');
  // After UNKNOWN anything may stand, and means nothing.
  if (words[0] == "UNKNOWN") return header;
  if (words.size() != 5 || (words[0] != "TCP4" && words[0] != "TCP6")) return Invalid();
  const bool v4 = words[0] == "TCP4";
  const auto address = [v4](absl::string_view text) -> std::optional<IpAddress> {
    if ((text.find(':') == absl::string_view::npos) != v4) return std::nullopt;
    return IpAddress::Parse({text.data(), text.size()});
  };
  const auto port = ParsePort(words[3]);
  header.source = address(words[1]);
  if (!header.source || !address(words[2]) || !port || !ParsePort(words[4])) return Invalid();
  header.source_port = *port;
  return header;
}

ProxyHeader ParseV2(std::string_view bytes) {
  if (bytes.size() < kV2FixedBytes) return {};
  const auto byte = [bytes](size_t i) { return static_cast<uint8_t>(bytes[i]); };
  const int version = byte(12) >> 4;
  const int command = byte(12) & 15;
  const int family = byte(13) >> 4;
  const int transport = byte(13) & 15;
  const size_t length = byte(14) * 256u + byte(15);
  if (version != 2 || command > 1 || family > 3 || transport > 2) return Invalid();
  if (kV2FixedBytes + length > kMaxProxyHeaderBytes) return Invalid();
  // Families: 1 is IPv4, 2 IPv6; 0 (unknown) and 3 (unix) name no IP address.
  const size_t address_bytes = family == 1 ? 12 : family == 2 ? 36 : 0;
  if (command == 1 && length < address_bytes) return Invalid();
  if (bytes.size() < kV2FixedBytes + length) return {};

  ProxyHeader header;
  header.state = ProxyParse::kDone;
  header.consumed = kV2FixedBytes + length;
  if (command == 0 || address_bytes == 0) return header;
  const auto* address = reinterpret_cast<const uint8_t*>(bytes.data()) + kV2FixedBytes;
  header.source = family == 1 ? IpAddress::FromV4Bytes(address) : IpAddress::FromV6Bytes(address);
  const size_t port_at = kV2FixedBytes + (family == 1 ? 8 : 32);
  header.source_port = static_cast<uint16_t>(byte(port_at) * 256u + byte(port_at + 1));
  return header;
}

}  // namespace

ProxyHeader ParseProxyHeader(std::string_view bytes) {
  for (const std::string_view signature : {kV1Signature, kV2Signature}) {
    const size_t known = std::min(bytes.size(), signature.size());
    if (bytes.substr(0, known) != signature.substr(0, known)) continue;
    if (known < signature.size()) return {};
    return signature == kV1Signature ? ParseV1(bytes) : ParseV2(bytes);
  }
  return Invalid();
}

}  // namespace covet::limits
