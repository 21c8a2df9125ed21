#include "edge/transport/proxy_protocol.h"

#include <absl/strings/str_split.h>
#include <arpa/inet.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

namespace covet::edge {
namespace {

constexpr std::string_view kSignature1 = "PROXY ";
constexpr std::string_view kSignature2("\r\n\r\n\0\r\nQUIT\n", 12);
constexpr size_t kMaxLine1 = 107;
constexpr size_t kFixed2 = 16;

ProxyHeader Malformed() { return {.state = ProxyHeader::State::kMalformed}; }

ProxyHeader Complete(size_t size, std::string address) {
  return {.state = ProxyHeader::State::kComplete, .size = size, .address = std::move(address)};
}

ProxyHeader Parse1(std::string_view bytes) {
  const size_t end = bytes.substr(0, kMaxLine1).find("\r\n");
  if (end == std::string_view::npos) return bytes.size() >= kMaxLine1 ? Malformed() : ProxyHeader{};
  const std::vector<std::string> words = absl::StrSplit(std::string(bytes.substr(0, end)), ' ');
  const size_t size = end + 2;
  if (words.size() >= 2 && words[1] == "UNKNOWN") return Complete(size, "");
  if (words.size() != 6) return Malformed();
  unsigned char raw[16];
  if (words[1] == "TCP4" && inet_pton(AF_INET, words[2].c_str(), raw) == 1)
    return Complete(size, words[2]);
  if (words[1] == "TCP6" && inet_pton(AF_INET6, words[2].c_str(), raw) == 1)
    return Complete(size, words[2]);
  return Malformed();
}

ProxyHeader Parse2(std::string_view bytes) {
  if (bytes.size() < kFixed2) return {};
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(bytes[i]); };
  const int version = byte(12) >> 4;
  const int command = byte(12) & 0x0f;
  const int family = byte(13) >> 4;
  const size_t length = static_cast<size_t>(byte(14)) << 8 | byte(15);
  if (version != 2 || command > 1 || kFixed2 + length > kMaxProxyHeader) return Malformed();
  if (bytes.size() < kFixed2 + length) return {};
  const size_t size = kFixed2 + length;
  if (command == 0) return Complete(size, "");
  char text[INET6_ADDRSTRLEN];
  const char* address = bytes.data() + kFixed2;
  if (family == 1 && length >= 12)
    return Complete(size, inet_ntop(AF_INET, address, text, sizeof(text)));
  if (family == 2 && length >= 36)
    return Complete(size, inet_ntop(AF_INET6, address, text, sizeof(text)));
  return family == 1 || family == 2 ? Malformed() : Complete(size, "");
}

bool BeginsAlike(std::string_view a, std::string_view b) {
  const size_t common = std::min(a.size(), b.size());
  return a.substr(0, common) == b.substr(0, common);
}

}  // namespace

ProxyHeader ParseProxyHeader(std::string_view bytes) {
  const bool maybe1 = BeginsAlike(bytes, kSignature1);
  const bool maybe2 = BeginsAlike(bytes, kSignature2);
  if (!maybe1 && !maybe2) return Malformed();
  if (maybe1 && bytes.size() >= kSignature1.size()) return Parse1(bytes);
  if (maybe2 && bytes.size() >= kSignature2.size()) return Parse2(bytes);
  return {};
}

}  // namespace covet::edge
