#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace covet::edge {

enum class InflateResult : uint8_t {
  kDone,
  kTooLarge,   // More than was allowed.
  kMalformed,  // Not deflate data, or not all of it.
};

// Replaces `out` by what a compressed message's whole payload (RFC 7692 section 7.2.2) inflates to,
// `max_bytes` at most. Each message stands for itself: no context is taken over. Thread-safe: each
// thread keeps one inflater of about 40 KB from its first use, so that connections need none.
InflateResult Inflate(std::string_view in, size_t max_bytes, std::string* out);

}  // namespace covet::edge
