#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

// Appending pieces of JSON text to a string. Thread-safe in that nothing is shared.
namespace covet::payload {

// Appends `text` as a JSON string with its quotes. What is not UTF-8 becomes U+FFFD, so that the
// result always is.
void AppendQuoted(std::string* out, std::string_view text);

void AppendInt(std::string* out, int64_t value);

// Appends the shortest text that reads back as `value`, as an integer where it is one below 2^53.
// JSON has no infinity and no NaN: those become null.
void AppendDouble(std::string* out, double value);

// Appends e.g. 2025-09-10T12:00:00.000Z (RFC 3339, UTC), without quotes. Clamped to the years 0000
// … 9999.
void AppendRfc3339Millis(std::string* out, int64_t unix_ms);

// Milliseconds since the Unix epoch of an RFC 3339 timestamp with any offset; finer fractions are
// cut off. None if it is not one. A leap second (:60) counts as the second after it.
std::optional<int64_t> ParseRfc3339Millis(std::string_view text);

// Members of an object. Each appends `"name":value` and a comma before it unless the object has
// just begun (the text ends in `{`). `name` is written as it is: it must need no escaping.
void AppendRawMember(std::string* out, std::string_view name, std::string_view json);
void AppendStringMember(std::string* out, std::string_view name, std::string_view text);
void AppendIntMember(std::string* out, std::string_view name, int64_t value);
void AppendBoolMember(std::string* out, std::string_view name, bool value);
void AppendTimeMember(std::string* out, std::string_view name, int64_t unix_ms);
// The name and colon alone; the value follows by the caller.
void AppendMemberName(std::string* out, std::string_view name);

}  // namespace covet::payload
