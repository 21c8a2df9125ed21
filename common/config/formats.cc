#include "common/config/formats.h"

#include <arpa/inet.h>

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "common/config/config.h"

namespace covet::config {
namespace {

bool IsHostName(const std::string& host) {
  return !host.empty() && host.size() <= 253 &&
         std::all_of(host.begin(), host.end(), [](unsigned char c) {
           return absl::ascii_isalnum(c) || c == '-' || c == '.' || c == '_';
         });
}

bool IsIpAddress(const std::string& text, int* bits) {
  in6_addr address{};
  if (inet_pton(AF_INET, text.c_str(), &address) == 1) {
    *bits = 32;
    return true;
  }
  *bits = 128;
  return inet_pton(AF_INET6, text.c_str(), &address) == 1;
}

bool IsNetwork(const std::string& text) {
  const size_t slash = text.find('/');
  int bits = 0;
  if (!IsIpAddress(text.substr(0, slash), &bits)) return false;
  if (slash == std::string::npos) return true;
  int prefix = -1;
  return absl::SimpleAtoi(text.substr(slash + 1), &prefix) && prefix >= 0 && prefix <= bits;
}

bool IsId(const std::string& text, bool glob) {
  return !text.empty() && text.size() <= 128 &&
         std::all_of(text.begin(), text.end(), [&](unsigned char c) {
           return absl::ascii_isalnum(c) || absl::StrContains("._:@-", std::string(1, c)) ||
                  (glob && c == '*');
         });
}

bool IsOrigin(const std::string& text) {
  if (text == "*") return true;
  const size_t scheme_end = text.find("://");
  if (scheme_end == std::string::npos || scheme_end == 0) return false;
  std::string host = text.substr(scheme_end + 3);
  if (absl::StartsWith(host, "*.")) host = host.substr(2);
  int port = 0;
  std::string name = host;
  if (host.find(':') != std::string::npos && !SplitAddress(host, &name, &port)) return false;
  int bits = 0;
  return IsHostName(name) || IsIpAddress(name, &bits);
}

}  // namespace

bool SplitAddress(const std::string& text, std::string* host, int* port) {
  const size_t colon = text.rfind(':');
  if (colon == std::string::npos || !absl::SimpleAtoi(text.substr(colon + 1), port) || *port < 0 ||
      *port > 65535) {
    return false;
  }
  *host = text.substr(0, colon);
  int bits = 0;
  if (host->size() > 2 && host->front() == '[' && host->back() == ']') {
    *host = host->substr(1, host->size() - 2);
    return IsIpAddress(*host, &bits) && bits == 128;
  }
  return IsHostName(*host);
}

std::string CheckFormat(v1::Format format, const std::string& text) {
  std::string host;
  int port = 0;
  switch (format) {
    case v1::FORMAT_LISTEN_ADDRESS:
      if (!SplitAddress(text, &host, &port)) return "is not an address such as 0.0.0.0:8000";
      break;
    case v1::FORMAT_PEER_ADDRESS:
      if (!SplitAddress(text, &host, &port) || port == 0) {
        return "is not an address such as rooms:8001";
      }
      break;
    case v1::FORMAT_NETWORK:
      if (!IsNetwork(text)) return "is neither an IP address nor a network such as 10.0.0.0/8";
      break;
    case v1::FORMAT_ID:
      if (!IsId(text, false)) return "is not 1 to 128 of A-Z a-z 0-9 . _ : @ -";
      break;
    case v1::FORMAT_GLOB:
      if (!IsId(text, true)) return "is not 1 to 128 of A-Z a-z 0-9 . _ : @ - *";
      break;
    case v1::FORMAT_SHA256:
      if (text.size() != 64 || !std::all_of(text.begin(), text.end(), [](unsigned char c) {
            return absl::ascii_isxdigit(c);
          })) {
        return "is not 64 hexadecimal digits";
      }
      break;
    case v1::FORMAT_ORIGIN:
      if (!IsOrigin(text)) return "is not an origin such as https://app.example.com";
      break;
    case v1::FORMAT_TARGET: {
      const auto& roles = AllRoles();
      if (text != "all" && std::find(roles.begin(), roles.end(), text) == roles.end()) {
        return "is none of all, edge, rooms, streams, rpc, files";
      }
      break;
    }
    default:
      break;
  }
  return "";
}

}  // namespace covet::config
