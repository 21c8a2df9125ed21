#include "common/protojson/well_known.h"

#include <charconv>
#include <optional>

#include "common/payload/rfc3339.h"

namespace covet::protojson::internal {
namespace {

constexpr int64_t kMaxDurationSeconds = 315'576'000'000;
constexpr int64_t kMinTimestampSeconds = -62'135'596'800;  // 0001-01-01T00:00:00Z
constexpr int32_t kNanos = 1'000'000'000;

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsUpper(char c) { return c >= 'A' && c <= 'Z'; }
bool IsLower(char c) { return c >= 'a' && c <= 'z'; }

int FractionDigits(int32_t nanos) {
  if (nanos == 0) return 0;
  if (nanos % 1'000'000 == 0) return 3;
  return nanos % 1'000 == 0 ? 6 : 9;
}

}  // namespace

bool ParseDuration(std::string_view text, SecondsNanos* out) {
  if (!text.ends_with('s')) return false;
  text.remove_suffix(1);
  const bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  if (text.empty() || !IsDigit(text.front())) return false;
  const char* const end = text.data() + text.size();
  auto [p, error] = std::from_chars(text.data(), end, out->seconds);
  if (error != std::errc() || out->seconds > kMaxDurationSeconds) return false;
  out->nanos = 0;
  if (p != end) {
    if (*p++ != '.') return false;
    int digits = 0;
    for (; p != end && IsDigit(*p) && digits < 9; ++p, ++digits) {
      out->nanos = out->nanos * 10 + (*p - '0');
    }
    if (p != end || digits == 0) return false;
    for (; digits < 9; ++digits) out->nanos *= 10;
  }
  if (out->seconds == kMaxDurationSeconds && out->nanos != 0) return false;
  if (negative) {
    out->seconds = -out->seconds;
    out->nanos = -out->nanos;
  }
  return true;
}

bool ParseTimestamp(std::string_view text, SecondsNanos* out) {
  const std::optional<payload::Rfc3339Time> time = payload::ParseRfc3339(text);
  if (!time.has_value() || time->fraction_digits > 9) return false;
  if (time->seconds < kMinTimestampSeconds || time->seconds > payload::kMaxRfc3339Seconds) {
    return false;
  }
  out->seconds = time->seconds;
  out->nanos = time->nanos;
  return true;
}

bool AppendDuration(const SecondsNanos& value, std::string* out) {
  const auto [seconds, nanos] = value;
  if (seconds < -kMaxDurationSeconds || seconds > kMaxDurationSeconds || nanos <= -kNanos ||
      nanos >= kNanos || (seconds > 0 && nanos < 0) || (seconds < 0 && nanos > 0)) {
    return false;
  }
  out->push_back('"');
  if (seconds < 0 || nanos < 0) out->push_back('-');
  char digits[20];
  const auto end = std::to_chars(digits, digits + sizeof digits, seconds < 0 ? -seconds : seconds);
  out->append(digits, end.ptr);
  if (int count = FractionDigits(nanos); count > 0) {
    out->push_back('.');
    int32_t left = nanos < 0 ? -nanos : nanos;
    for (int32_t unit = kNanos / 10; count > 0; --count, unit /= 10) {
      out->push_back(static_cast<char>('0' + left / unit));
      left %= unit;
    }
  }
  out->append("s\"");
  return true;
}

bool AppendTimestamp(const SecondsNanos& value, std::string* out) {
  if (value.seconds < kMinTimestampSeconds || value.seconds > payload::kMaxRfc3339Seconds ||
      value.nanos < 0 || value.nanos >= kNanos) {
    return false;
  }
  out->push_back('"');
  payload::AppendRfc3339(out, value.seconds, value.nanos, FractionDigits(value.nanos));
  out->push_back('"');
  return true;
}

void AppendMaskPathAsProto(std::string_view path, std::string* out) {
  for (const char c : path) {
    if (IsUpper(c)) {
      out->push_back('_');
      out->push_back(static_cast<char>(c - 'A' + 'a'));
    } else {
      out->push_back(c);
    }
  }
}

std::string MaskPathAsJson(std::string_view path) {
  std::string json;
  json.reserve(path.size());
  for (size_t i = 0; i < path.size(); ++i) {
    if (IsUpper(path[i])) return std::string(path);
    if (path[i] != '_') {
      json.push_back(path[i]);
      continue;
    }
    if (++i == path.size() || !IsLower(path[i])) return std::string(path);
    json.push_back(static_cast<char>(path[i] - 'a' + 'A'));
  }
  return json;
}

std::string_view TypeOfUrl(std::string_view url) {
  const size_t slash = url.rfind('/');
  return slash == url.npos ? url : url.substr(slash + 1);
}

}  // namespace covet::protojson::internal
