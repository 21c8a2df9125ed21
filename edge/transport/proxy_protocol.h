#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace covet::edge {

struct ProxyHeader {
  enum class State { kIncomplete, kComplete, kMalformed };

  State state = State::kIncomplete;
  // Complete: bytes of the header.
  size_t size = 0;
  // Complete: the client's address; empty where the proxy speaks for itself (LOCAL, UNKNOWN).
  std::string address;
};

// Longest header that is accepted: version 1 has at most 107 bytes; version 2 leaves room for its
// TLVs.
inline constexpr size_t kMaxProxyHeader = 2048;

// Reads a PROXY protocol header, version 1 or 2, from the beginning of a connection's bytes. While
// the answer is kIncomplete every byte given belongs to the header. After HAProxy's
// proxy-protocol.txt.
ProxyHeader ParseProxyHeader(std::string_view bytes);

}  // namespace covet::edge
