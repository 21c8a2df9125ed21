#pragma once

#include <cstddef>
#include <cstdint>

namespace covet::payload {

// The length in bytes of the UTF-8 sequence that begins at `p`, or 0 if RFC 3629 does not allow it:
// overlong forms, surrogates, code points above U+10FFFF, stray or missing continuation bytes.
// Requires p < end.
inline size_t Utf8SequenceLength(const uint8_t* p, const uint8_t* end) {
  const auto continuation = [](uint8_t byte) { return (byte & 0xC0) == 0x80; };
  const uint8_t lead = *p;
  const auto left = static_cast<size_t>(end - p);
  if (lead < 0x80) return 1;
  if (lead < 0xC2) return 0;  // A continuation byte, or overlong.
  if (lead < 0xE0) return left >= 2 && continuation(p[1]) ? 2 : 0;
  if (lead < 0xF0) {
    if (left < 3 || !continuation(p[1]) || !continuation(p[2])) return 0;
    if (lead == 0xE0 && p[1] < 0xA0) return 0;   // Overlong.
    if (lead == 0xED && p[1] >= 0xA0) return 0;  // A surrogate.
    return 3;
  }
  if (lead > 0xF4 || left < 4) return 0;
  if (!continuation(p[1]) || !continuation(p[2]) || !continuation(p[3])) return 0;
  if (lead == 0xF0 && p[1] < 0x90) return 0;   // Overlong.
  if (lead == 0xF4 && p[1] >= 0x90) return 0;  // Above U+10FFFF.
  return 4;
}

}  // namespace covet::payload
