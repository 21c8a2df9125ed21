#include "common/payload/rfc3339.h"

#include <algorithm>
#include <charconv>

namespace covet::payload {
namespace {

constexpr int64_t kDaySeconds = 86'400;

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
  // The first nine digits of a fraction of any length.
  bool Fraction(int32_t* nanos, size_t* digits) {
    *digits = 0;
    *nanos = 0;
    for (; *digits < text_.size() && text_[*digits] >= '0' && text_[*digits] <= '9'; ++*digits) {
      if (*digits < 9) *nanos = *nanos * 10 + (text_[*digits] - '0');
    }
    if (*digits == 0) return false;
    for (size_t i = *digits; i < 9; ++i) *nanos *= 10;
    text_.remove_prefix(*digits);
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

void AppendRfc3339(std::string* out, int64_t seconds, int32_t nanos, int digits) {
  seconds = std::clamp(seconds, kMinRfc3339Seconds, kMaxRfc3339Seconds);
  int64_t days = seconds / kDaySeconds;
  int64_t in_day = seconds % kDaySeconds;
  if (in_day < 0) {
    in_day += kDaySeconds;
    --days;
  }
  const Date date = CivilFromDays(days);
  const auto second = static_cast<unsigned>(in_day);
  char text[] = "0000-00-00T00:00:00.000000000Z";
  PutDigits(text, static_cast<unsigned>(date.year), 4);
  PutDigits(text + 5, date.month, 2);
  PutDigits(text + 8, date.day, 2);
  PutDigits(text + 11, second / 3'600, 2);
  PutDigits(text + 14, second / 60 % 60, 2);
  PutDigits(text + 17, second % 60, 2);
  PutDigits(text + 20, static_cast<unsigned>(nanos), 9);
  constexpr size_t kWhole = 19;
  size_t size = digits > 0 ? kWhole + 1 + static_cast<size_t>(digits) : kWhole;
  text[size++] = 'Z';
  out->append(text, size);
}

std::optional<Rfc3339Time> ParseRfc3339(std::string_view text) {
  TimeReader in(text);
  Rfc3339Time time;
  unsigned year, month, day, hour, minute, second;
  if (!in.Number(4, &year) || !in.Char('-') || !in.Number(2, &month) || !in.Char('-') ||
      !in.Number(2, &day) || !in.Char('T', 't') || !in.Number(2, &hour) || !in.Char(':') ||
      !in.Number(2, &minute) || !in.Char(':') || !in.Number(2, &second)) {
    return std::nullopt;
  }
  if (month < 1 || month > 12 || day < 1 || day > DaysInMonth(year, month) || hour > 23 ||
      minute > 59 || second > 60) {
    return std::nullopt;
  }
  if (in.Char('.') && !in.Fraction(&time.nanos, &time.fraction_digits)) return std::nullopt;
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
  time.seconds = DaysFromCivil(year, month, day) * kDaySeconds +
                 (static_cast<int64_t>(hour) * 60 + minute - offset_minutes) * 60 + second;
  return time;
}

}  // namespace covet::payload
