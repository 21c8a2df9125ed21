#include "common/payload/json_writer.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "common/payload/byte_skip.h"
#include "common/payload/rfc3339.h"
#include "common/payload/utf8.h"

namespace covet::payload {
namespace {

void AppendEscaped(std::string* out, uint8_t c) {
  constexpr char kHex[] = "0123456789abcdef";
  switch (c) {
    case '"':
      out->append("\\\"");
      return;
    case '\\':
      out->append("\\\\");
      return;
    case '\n':
      out->append("\\n");
      return;
    case '\r':
      out->append("\\r");
      return;
    case '\t':
      out->append("\\t");
      return;
    default:
      out->append("\\u00").push_back(kHex[c >> 4]);
      out->push_back(kHex[c & 15]);
  }
}

}  // namespace

void AppendQuoted(std::string* out, std::string_view text) {
  out->push_back('"');
  const auto* p = reinterpret_cast<const uint8_t*>(text.data());
  const uint8_t* const end = p + text.size();
  while (p != end) {
    const uint8_t* const run_end = SkipPlainRun(p, end);
    out->append(reinterpret_cast<const char*>(p), static_cast<size_t>(run_end - p));
    p = run_end;
    if (p == end) break;
    if (*p < 0x80) {
      AppendEscaped(out, *p++);
    } else if (const size_t length = Utf8SequenceLength(p, end); length != 0) {
      out->append(reinterpret_cast<const char*>(p), length);
      p += length;
    } else {
      out->append("\xEF\xBF\xBD");
      ++p;
    }
  }
  out->push_back('"');
}

void AppendInt(std::string* out, int64_t value) {
  char digits[20];
  const auto result = std::to_chars(digits, digits + sizeof digits, value);
  out->append(digits, result.ptr);
}

void AppendDouble(std::string* out, double value) {
  constexpr double kExact = 9'007'199'254'740'992.0;  // 2^53
  if (!std::isfinite(value)) {
    out->append("null");
    return;
  }
  if (std::abs(value) <= kExact && value == std::trunc(value) &&
      !(value == 0 && std::signbit(value))) {
    AppendInt(out, static_cast<int64_t>(value));
    return;
  }
  char digits[32];
  const auto result = std::to_chars(digits, digits + sizeof digits, value);
  out->append(digits, result.ptr);
}

void AppendRfc3339Millis(std::string* out, int64_t unix_ms) {
  unix_ms = std::clamp(unix_ms, kMinRfc3339Seconds * 1000, kMaxRfc3339Seconds * 1000 + 999);
  const int64_t ms = (unix_ms % 1000 + 1000) % 1000;
  AppendRfc3339(out, (unix_ms - ms) / 1000, static_cast<int32_t>(ms) * 1'000'000, 3);
}

std::optional<int64_t> ParseRfc3339Millis(std::string_view text) {
  const std::optional<Rfc3339Time> time = ParseRfc3339(text);
  if (!time.has_value()) return std::nullopt;
  return time->seconds * 1000 + time->nanos / 1'000'000;
}

void AppendMemberName(std::string* out, std::string_view name) {
  if (!out->empty() && out->back() != '{') out->push_back(',');
  out->push_back('"');
  out->append(name).append("\":");
}

void AppendRawMember(std::string* out, std::string_view name, std::string_view json) {
  AppendMemberName(out, name);
  out->append(json);
}

void AppendStringMember(std::string* out, std::string_view name, std::string_view text) {
  AppendMemberName(out, name);
  AppendQuoted(out, text);
}

void AppendIntMember(std::string* out, std::string_view name, int64_t value) {
  AppendMemberName(out, name);
  AppendInt(out, value);
}

void AppendBoolMember(std::string* out, std::string_view name, bool value) {
  AppendMemberName(out, name);
  out->append(value ? "true" : "false");
}

void AppendTimeMember(std::string* out, std::string_view name, int64_t unix_ms) {
  AppendMemberName(out, name);
  out->push_back('"');
  AppendRfc3339Millis(out, unix_ms);
  out->push_back('"');
}

}  // namespace covet::payload
