#pragma once

#include <cstdint>
#include <string>
#include <string_view>

// The text forms of well-known types. Internal to protojson.
namespace covet::protojson::internal {

struct SecondsNanos {
  int64_t seconds = 0;
  int32_t nanos = 0;
};

// `1.5s`. False if it is not one, or beyond 10,000 years.
bool ParseDuration(std::string_view text, SecondsNanos* out);
// An RFC 3339 timestamp of the years 1 to 9999, to the nanosecond.
bool ParseTimestamp(std::string_view text, SecondsNanos* out);
// With quotes, and no, 3, 6 or 9 digits of the fraction. False for what is no duration or no
// timestamp: seconds or nanos out of range, or of different signs.
bool AppendDuration(const SecondsNanos& value, std::string* out);
bool AppendTimestamp(const SecondsNanos& value, std::string* out);

// `fooBar.baz` → `foo_bar.baz`; a path that is in snake case already stays.
void AppendMaskPathAsProto(std::string_view path, std::string* out);
// `foo_bar.baz` → `fooBar.baz`; a path that would not come back stays as it is.
std::string MaskPathAsJson(std::string_view path);

// What stands behind the last slash of an Any's type URL.
std::string_view TypeOfUrl(std::string_view url);

}  // namespace covet::protojson::internal
