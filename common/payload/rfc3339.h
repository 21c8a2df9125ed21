#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

// RFC 3339 timestamps to the nanosecond; json_writer.h has the millisecond forms. Thread-safe.
namespace covet::payload {

inline constexpr int64_t kMinRfc3339Seconds = -62'167'219'200;  // 0000-01-01T00:00:00Z
inline constexpr int64_t kMaxRfc3339Seconds = 253'402'300'799;  // 9999-12-31T23:59:59Z

struct Rfc3339Time {
  int64_t seconds = 0;         // Since the Unix epoch.
  int32_t nanos = 0;           // 0 … 999,999,999, after `seconds`.
  size_t fraction_digits = 0;  // As written; what is finer than a nanosecond is cut off.
};

// Appends the time in UTC, without quotes, with so many digits (0 … 9) of the fraction. `seconds`
// is clamped to the bounds above; requires nanos within 0 … 999,999,999.
void AppendRfc3339(std::string* out, int64_t seconds, int32_t nanos, int digits);

// With any offset. None if `text` is not one. A leap second (:60) counts as the second after it.
std::optional<Rfc3339Time> ParseRfc3339(std::string_view text);

}  // namespace covet::payload
