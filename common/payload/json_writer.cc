#include "common/payload/json_writer.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "common/payload/byte_skip.h"
#include "common/payload/utf8.h"

namespace covet::payload {
namespace {

constexpr int64_t kDayMillis = 86'400'000;
constexpr int64_t kFirstMillis = -62'167'219'200'000;  // 0000-01-01T00:00:00.000Z
constexpr int64_t kLastMillis = 253'402'300'799'999;   // 9999-12-31T23:59:59.999Z

struct Date {
  int64_t year;
  unsigned month, day;
};

// Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms".
Date CivilFromDays(int64_t days) {
  days += 719'468;
  const int64_t era = (days >= 0 ? days : days - 146'096) / 146'097;
  const auto day_of_era = static_cast<unsigned>(days - era * 146'097);
  const unsigned year_of_era =
      (day_of_era - day_of_era / 1'460 + day_of_era / 36'524 - day_of_era / 146'096) / 365;
  const unsigned day_of_year =
      day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const unsigned shifted_month = (5 * day_of_year + 2) / 153;
  const unsigned month = shifted_month < 10 ? shifted_month + 3 : shifted_month - 9;
  return {static_cast<int64_t>(year_of_era) + era * 400 + (month <= 2 ? 1 : 0), month,
          day_of_year - (153 * shifted_month + 2) / 5 + 1};
}

int64_t DaysFromCivil(int64_t year, unsigned month, unsigned day) {
  year -= month <= 2 ? 1 : 0;
  const int64_t era = (year >= 0 ? year : year - 399) / 400;
  const auto year_of_era = static_cast<unsigned>(year - era * 400);
  const unsigned day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
  const unsigned day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
  return era * 146'097 + static_cast<int64_t>(day_of_era) - 719'468;
}

void PutDigits(char* at, unsigned value, int width) {
  for (int i = width - 1; i >= 0; --i) {
    at[i] = static_cast<char>('0' + value % 10);
    value /= 10;
  }
}

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

// Reads fixed-width digits and separators of a timestamp.
class TimeReader {
 public:
  explicit TimeReader(std::string_view text) : text_(text) {}
  bool Number(size_t width, unsigned* value) {
    if (text_.size() < width) return false;
    const auto [end, error] = std::from_chars(text_.data(), text_.data() + width, *value);
    if (error != std::errc() || end != text_.data() + width) return false;
    text_.remove_prefix(width);
    return true;
  }
  bool Char(char c, char alternative) {
    if (text_.empty() || (text_[0] != c && text_[0] != alternative)) return false;
    text_.remove_prefix(1);
    return true;
  }
  bool Char(char c) { return Char(c, c); }
  // The first three digits of a fraction of any length.
  bool Fraction(unsigned* millis) {
    size_t digits = 0;
    *millis = 0;
    for (; digits < text_.size() && text_[digits] >= '0' && text_[digits] <= '9'; ++digits) {
      if (digits < 3) *millis = *millis * 10 + static_cast<unsigned>(text_[digits] - '0');
    }
    if (digits == 0) return false;
    for (size_t i = digits; i < 3; ++i) *millis *= 10;
    text_.remove_prefix(digits);
    return true;
  }
  bool done() const { return text_.empty(); }

 private:
  std::string_view text_;
};

unsigned DaysInMonth(unsigned year, unsigned month) {
  constexpr unsigned kDays[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
  return month == 2 && leap ? 29 : kDays[month - 1];
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
  unix_ms = std::clamp(unix_ms, kFirstMillis, kLastMillis);
  int64_t days = unix_ms / kDayMillis;
  int64_t in_day = unix_ms % kDayMillis;
  if (in_day < 0) {
    in_day += kDayMillis;
    --days;
  }
  const Date date = CivilFromDays(days);
  const auto ms = static_cast<unsigned>(in_day);
  char text[] = "0000-00-00T00:00:00.000Z";
  PutDigits(text, static_cast<unsigned>(date.year), 4);
  PutDigits(text + 5, date.month, 2);
  PutDigits(text + 8, date.day, 2);
  PutDigits(text + 11, ms / 3'600'000, 2);
  PutDigits(text + 14, ms / 60'000 % 60, 2);
  PutDigits(text + 17, ms / 1'000 % 60, 2);
  PutDigits(text + 20, ms % 1'000, 3);
  out->append(text, sizeof text - 1);
}

std::optional<int64_t> ParseRfc3339Millis(std::string_view text) {
  TimeReader in(text);
  unsigned year, month, day, hour, minute, second, millis = 0;
  if (!in.Number(4, &year) || !in.Char('-') || !in.Number(2, &month) || !in.Char('-') ||
      !in.Number(2, &day) || !in.Char('T', 't') || !in.Number(2, &hour) || !in.Char(':') ||
      !in.Number(2, &minute) || !in.Char(':') || !in.Number(2, &second)) {
    return std::nullopt;
  }
  if (month < 1 || month > 12 || day < 1 || day > DaysInMonth(year, month) || hour > 23 ||
      minute > 59 || second > 60) {
    return std::nullopt;
  }
  if (in.Char('.') && !in.Fraction(&millis)) return std::nullopt;
  int64_t offset_minutes = 0;
  if (!in.Char('Z', 'z')) {
    const bool east = in.Char('+');
    unsigned hours, minutes;
    if ((!east && !in.Char('-')) || !in.Number(2, &hours) || !in.Char(':') ||
        !in.Number(2, &minutes) || hours > 23 || minutes > 59) {
      return std::nullopt;
    }
    offset_minutes = (east ? 1 : -1) * static_cast<int64_t>(hours * 60 + minutes);
  }
  if (!in.done()) return std::nullopt;
  return DaysFromCivil(year, month, day) * kDayMillis +
         ((static_cast<int64_t>(hour) * 60 + minute - offset_minutes) * 60 + second) * 1000 +
         millis;
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
