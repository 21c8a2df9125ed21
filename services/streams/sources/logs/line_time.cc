#include <array>
#include <cctype>

#include "services/streams/sources/logs/line_parser.h"

namespace covet::streams::logs {
namespace {

constexpr std::array<std::string_view, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
constexpr std::array<std::string_view, 7> kDays = {"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"};

struct Civil {
  int year = 0;
  int month = 0, day = 0, hour = 0, minute = 0, second = 0;
  int millis = 0;
};

// Reads pieces of a time; false leaves the place where it was.
class Cursor {
 public:
  explicit Cursor(std::string_view text) : text_(text) {}
  size_t at() const { return at_; }
  bool done() const { return at_ == text_.size(); }
  char peek() const { return done() ? '\0' : text_[at_]; }

  bool Char(char c) {
    if (peek() != c || done()) return false;
    ++at_;
    return true;
  }
  bool OneOf(std::string_view chars) {
    if (done() || chars.find(peek()) == std::string_view::npos) return false;
    ++at_;
    return true;
  }
  // Exactly `digits` of them.
  bool Number(size_t digits, int* value) {
    if (text_.size() - at_ < digits) return false;
    int result = 0;
    for (size_t i = 0; i < digits; ++i) {
      const char c = text_[at_ + i];
      if (c < '0' || c > '9') return false;
      result = result * 10 + (c - '0');
    }
    at_ += digits;
    *value = result;
    return true;
  }
  // Of the months, from 1; of the days, any.
  template <size_t N>
  bool Name(const std::array<std::string_view, N>& names, int* value) {
    for (size_t i = 0; i < N; ++i) {
      if (text_.substr(at_).starts_with(names[i])) {
        at_ += names[i].size();
        *value = static_cast<int>(i) + 1;
        return true;
      }
    }
    return false;
  }
  // 12:34:56, with a fraction behind a point or comma.
  bool TimeOfDay(Civil* civil) {
    if (!Number(2, &civil->hour) || !Char(':') || !Number(2, &civil->minute) || !Char(':') ||
        !Number(2, &civil->second)) {
      return false;
    }
    Fraction(civil);
    return true;
  }
  void Fraction(Civil* civil) {
    if ((peek() != '.' && peek() != ',') || at_ + 1 >= text_.size() || !IsDigit(text_[at_ + 1])) {
      return;
    }
    ++at_;
    int scale = 100;
    for (; IsDigit(peek()); ++at_, scale /= 10) civil->millis += (peek() - '0') * scale;
  }
  // Z, +01:00, +0100, +01, ` UTC`, ` GMT`, ` +0100`; none leaves `offset_minutes` alone.
  void Zone(std::optional<int>* offset_minutes) {
    const size_t before = at_;
    const bool space = Char(' ');
    const std::string_view rest = text_.substr(at_);
    if ((!space && OneOf("Zz")) || Word(rest, "UTC") || Word(rest, "GMT")) {
      *offset_minutes = 0;
      return;
    }
    const bool east = peek() == '+';
    if (OneOf("+-")) {
      int hours = 0, minutes = 0;
      if (Number(2, &hours)) {
        Char(':');
        Number(2, &minutes);
        *offset_minutes = (east ? 1 : -1) * (hours * 60 + minutes);
        return;
      }
    }
    at_ = before;
  }

 private:
  static bool IsDigit(char c) { return c >= '0' && c <= '9'; }
  bool Word(std::string_view rest, std::string_view word) {
    if (!rest.starts_with(word)) return false;
    if (rest.size() > word.size() && std::isalnum(static_cast<unsigned char>(rest[word.size()]))) {
      return false;
    }
    at_ += word.size();
    return true;
  }

  const std::string_view text_;
  size_t at_ = 0;
};

// None where it is no date.
std::optional<int64_t> Millis(const Civil& civil, std::optional<int> offset_minutes,
                              absl::TimeZone zone) {
  if (civil.month < 1 || civil.month > 12 || civil.day < 1 || civil.hour > 23 ||
      civil.minute > 59 || civil.second > 60) {
    return std::nullopt;
  }
  const absl::CivilSecond second(civil.year, civil.month, civil.day, civil.hour, civil.minute,
                                 civil.second);
  // Days past a month's end roll over.
  if (civil.second < 60 && second.day() != civil.day) return std::nullopt;
  const absl::Time time =
      offset_minutes ? absl::FromCivil(second, absl::UTCTimeZone()) - absl::Minutes(*offset_minutes)
                     : absl::FromCivil(second, zone);
  return absl::ToUnixMillis(time) + civil.millis;
}

// 2025-09-10T12:00:00.123+02:00, 2025-09-10 12:00:00,123, 2025/09/10 12:00:00.
bool ReadIso(Cursor& in, Civil* civil, std::optional<int>* offset) {
  if (!in.Number(4, &civil->year) || !in.OneOf("-/") || !in.Number(2, &civil->month) ||
      !in.OneOf("-/") || !in.Number(2, &civil->day) || !in.OneOf("Tt ") || !in.TimeOfDay(civil)) {
    return false;
  }
  in.Zone(offset);
  return true;
}

// 10/Oct/2000:13:55:36 -0700
bool ReadCommonLog(Cursor& in, Civil* civil, std::optional<int>* offset) {
  if (!in.Number(2, &civil->day) || !in.Char('/') || !in.Name(kMonths, &civil->month) ||
      !in.Char('/') || !in.Number(4, &civil->year) || !in.Char(':') || !in.TimeOfDay(civil)) {
    return false;
  }
  in.Zone(offset);
  return true;
}

// Wed Oct 11 14:32:52.123456 2000
bool ReadAsctime(Cursor& in, Civil* civil) {
  int day_of_week = 0;
  if (!in.Name(kDays, &day_of_week) || !in.Char(' ') || !in.Name(kMonths, &civil->month) ||
      !in.Char(' ')) {
    return false;
  }
  if (!in.Number(2, &civil->day) && (!in.Char(' ') || !in.Number(1, &civil->day))) return false;
  return in.Char(' ') && in.TimeOfDay(civil) && in.Char(' ') && in.Number(4, &civil->year);
}

// Sep 10 12:00:00 (syslog), of no year.
bool ReadSyslog(Cursor& in, Civil* civil) {
  if (!in.Name(kMonths, &civil->month) || !in.Char(' ')) return false;
  if (!in.Number(2, &civil->day) && (!in.Char(' ') || !in.Number(1, &civil->day))) return false;
  return in.Char(' ') && in.TimeOfDay(civil);
}

// The year that puts it nearest to now: a line of December is read in January too.
std::optional<int64_t> NearestYear(Civil civil, int64_t now_ms, absl::TimeZone zone) {
  civil.year = static_cast<int>(
      absl::ToCivilYear(absl::FromUnixMillis(now_ms) + absl::Hours(24), zone).year());
  std::optional<int64_t> best;
  for (int i = 0; i < 2; ++i, --civil.year) {
    const std::optional<int64_t> ms = Millis(civil, std::nullopt, zone);
    if (ms && *ms <= now_ms + 86'400'000) return ms;
    if (!best) best = ms;
  }
  return best;
}

}  // namespace

std::optional<int64_t> TimeAtStart(std::string_view text, int64_t now_ms, absl::TimeZone zone,
                                   size_t* size) {
  const auto attempt = [&](auto read) -> std::optional<int64_t> {
    Cursor in(text);
    Civil civil;
    std::optional<int> offset;
    if (!read(in, &civil, &offset)) return std::nullopt;
    *size = in.at();
    return Millis(civil, offset, zone);
  };
  if (text.empty()) return std::nullopt;
  if (text[0] >= '0' && text[0] <= '9') {
    if (const auto ms = attempt(ReadIso)) return ms;
    return attempt(ReadCommonLog);
  }
  if (const auto ms = attempt(
          [](Cursor& in, Civil* civil, std::optional<int>*) { return ReadAsctime(in, civil); })) {
    return ms;
  }
  Cursor in(text);
  Civil civil;
  if (ReadSyslog(in, &civil)) {
    *size = in.at();
    return NearestYear(civil, now_ms, zone);
  }
  // glog: I0910 12:00:00.123456
  Cursor glog(text);
  civil = {};
  if (glog.OneOf("IWEF") && glog.Number(2, &civil.month) && glog.Number(2, &civil.day) &&
      glog.Char(' ') && glog.TimeOfDay(&civil)) {
    *size = glog.at();
    return NearestYear(civil, now_ms, zone);
  }
  return std::nullopt;
}

}  // namespace covet::streams::logs
