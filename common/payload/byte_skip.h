#pragma once

#include <bit>
#include <cstdint>
#include <cstring>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

// How JSON strings are run over: to the next byte that is not plain ASCII inside a string.
namespace covet::payload {

// True for the bytes that end a plain run: quote, backslash, control characters, and all above
// 0x7F.
inline bool EndsPlainRun(uint8_t c) { return c < 0x20 || c >= 0x80 || c == '"' || c == '\\'; }

// The first byte in [p, end) for which EndsPlainRun holds, or `end`.
inline const uint8_t* SkipPlainRun(const uint8_t* p, const uint8_t* end) {
#if defined(__SSE2__)
  const __m128i quote = _mm_set1_epi8('"');
  const __m128i backslash = _mm_set1_epi8('\\');
  const __m128i space = _mm_set1_epi8(0x20);
  while (end - p >= 16) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    // Signed, so that bytes above 0x7F are below a space as control characters are.
    const __m128i ends =
        _mm_or_si128(_mm_cmplt_epi8(bytes, space),
                     _mm_or_si128(_mm_cmpeq_epi8(bytes, quote), _mm_cmpeq_epi8(bytes, backslash)));
    const auto mask = static_cast<uint32_t>(_mm_movemask_epi8(ends));
    if (mask != 0) return p + std::countr_zero(mask);
    p += 16;
  }
#else
  constexpr uint64_t kOnes = 0x0101010101010101;
  constexpr uint64_t kHigh = 0x8080808080808080;
  while (end - p >= 8) {
    uint64_t bytes;
    std::memcpy(&bytes, p, 8);
    // The high bit of a byte is set where it is above 0x7F, below a space, a quote or a backslash.
    // A borrow may set it for the byte after one of those too, which does not matter: the first one
    // is searched bytewise.
    const uint64_t quote = bytes ^ (kOnes * '"');
    const uint64_t backslash = bytes ^ (kOnes * '\\');
    if ((bytes | (bytes - kOnes * 0x20) | (quote - kOnes) | (backslash - kOnes)) & kHigh) break;
    p += 8;
  }
#endif
  while (p != end && !EndsPlainRun(*p)) ++p;
  return p;
}

}  // namespace covet::payload
