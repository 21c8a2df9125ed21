#include "common/config/values.h"

#include <array>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"

namespace covet::config {
namespace {

struct Unit {
  const char* name;
  int64_t size;
};

constexpr std::array<Unit, 8> kSizeUnits = {{{"GiB", 1 << 30},
                                             {"MiB", 1 << 20},
                                             {"KiB", 1 << 10},
                                             {"GB", 1000000000},
                                             {"MB", 1000000},
                                             {"KB", 1000},
                                             {"B", 1},
                                             {"", 1}}};

constexpr int64_t kSecond = 1000000000;
constexpr std::array<Unit, 6> kTimeUnits = {{{"h", 3600 * kSecond},
                                             {"m", 60 * kSecond},
                                             {"s", kSecond},
                                             {"ms", 1000000},
                                             {"us", 1000},
                                             {"ns", 1}}};

google::protobuf::Duration FromNanos(int64_t nanos) {
  google::protobuf::Duration duration;
  duration.set_seconds(nanos / kSecond);
  duration.set_nanos(static_cast<int32_t>(nanos % kSecond));
  return duration;
}

}  // namespace

int64_t Nanos(const google::protobuf::Duration& duration) {
  return duration.seconds() * kSecond + duration.nanos();
}

absl::StatusOr<google::protobuf::Duration> ParseDuration(const std::string& text) {
  absl::Duration duration;
  if (!absl::ParseDuration(text, &duration)) {
    return absl::InvalidArgumentError(
        absl::StrCat("`", text, "` is not a duration such as 250ms, 5s, 10m or 24h"));
  }
  if (absl::AbsDuration(duration) > absl::Hours(24 * 365 * 100)) {
    return absl::InvalidArgumentError(absl::StrCat("`", text, "` is longer than a hundred years"));
  }
  return FromNanos(absl::ToInt64Nanoseconds(duration));
}

std::string FormatDuration(const google::protobuf::Duration& duration) {
  const int64_t nanos = Nanos(duration);
  if (nanos == 0) return "0s";
  for (const Unit& unit : kTimeUnits) {
    if (nanos % unit.size == 0) return absl::StrCat(nanos / unit.size, unit.name);
  }
  return absl::StrCat(nanos, "ns");
}

absl::StatusOr<int64_t> ParseSize(const std::string& text) {
  size_t digits = 0;
  while (digits < text.size() && absl::ascii_isdigit(static_cast<unsigned char>(text[digits]))) {
    ++digits;
  }
  const std::string unit(absl::StripAsciiWhitespace(text.substr(digits)));
  int64_t count = 0;
  if (digits > 0 && absl::SimpleAtoi(text.substr(0, digits), &count)) {
    for (const Unit& known : kSizeUnits) {
      if (unit != known.name) continue;
      int64_t bytes = 0;
      if (__builtin_mul_overflow(count, known.size, &bytes)) break;
      return bytes;
    }
  }
  return absl::InvalidArgumentError(
      absl::StrCat("`", text, "` is not a size such as 65536, 64KiB or 1MiB"));
}

std::string FormatSize(int64_t bytes) {
  for (const Unit& unit : {kSizeUnits[0], kSizeUnits[1], kSizeUnits[2]}) {
    if (bytes != 0 && bytes % unit.size == 0) return absl::StrCat(bytes / unit.size, unit.name);
  }
  return absl::StrCat(bytes);
}

absl::StatusOr<v1::Rate> ParseRate(const std::string& text) {
  const auto error = [&] {
    return absl::InvalidArgumentError(
        absl::StrCat("`", text, "` is not a rate such as 100/min, 10/h or 5/s"));
  };
  const size_t slash = text.find('/');
  int64_t count = 0;
  if (slash == std::string::npos || !absl::SimpleAtoi(text.substr(0, slash), &count)) {
    return error();
  }
  const std::string unit(absl::StripAsciiWhitespace(text.substr(slash + 1)));
  v1::Rate rate;
  rate.set_count(count);
  if (unit == "s" || unit == "sec") {
    *rate.mutable_per() = FromNanos(kSecond);
  } else if (unit == "m" || unit == "min") {
    *rate.mutable_per() = FromNanos(60 * kSecond);
  } else if (unit == "h" || unit == "hour") {
    *rate.mutable_per() = FromNanos(3600 * kSecond);
  } else {
    auto per = ParseDuration(unit);
    if (!per.ok()) return error();
    *rate.mutable_per() = *std::move(per);
  }
  return rate;
}

std::string FormatRate(const v1::Rate& rate) {
  std::string per = FormatDuration(rate.per());
  if (per == "1s") per = "s";
  if (per == "1m") per = "min";
  if (per == "1h") per = "h";
  return absl::StrCat(rate.count(), "/", per);
}

absl::StatusOr<google::protobuf::Timestamp> ParseTimestamp(const std::string& text) {
  absl::Time time;
  std::string error;
  if (!absl::ParseTime(absl::RFC3339_full, text, &time, &error)) {
    return absl::InvalidArgumentError(
        absl::StrCat("`", text, "` is not an RFC 3339 time such as 2025-09-01T10:00:00Z"));
  }
  google::protobuf::Timestamp timestamp;
  const int64_t nanos = absl::ToUnixNanos(time);
  timestamp.set_seconds(absl::ToUnixSeconds(time));
  timestamp.set_nanos(static_cast<int32_t>(nanos - timestamp.seconds() * kSecond));
  return timestamp;
}

std::string FormatTimestamp(const google::protobuf::Timestamp& timestamp) {
  return absl::FormatTime(
      "%Y-%m-%dT%H:%M:%E*SZ",
      absl::FromUnixSeconds(timestamp.seconds()) + absl::Nanoseconds(timestamp.nanos()),
      absl::UTCTimeZone());
}

}  // namespace covet::config
