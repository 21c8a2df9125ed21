#include "common/payload/decimal.h"

#include <charconv>
#include <cmath>
#include <cstdint>
#include <string>

namespace covet::payload {
namespace {

// value = 0.digits × 10^exponent, without leading or trailing zeros among the digits; zero has
// none.
struct Decimal {
  bool negative = false;
  std::string digits;
  int64_t exponent = 0;
  bool operator==(const Decimal&) const = default;
};

std::optional<Decimal> Normalize(std::string_view text) {
  // More than a double's 17 digits can only be kept if the rest are zeros, which any number of
  // digits may be.
  constexpr int64_t kHugeExponent = 1'000'000'000;
  Decimal decimal;
  if (text.front() == '-') {
    decimal.negative = true;
    text.remove_prefix(1);
  }
  bool fraction = false;
  size_t i = 0;
  for (; i < text.size() && (text[i] | 0x20) != 'e'; ++i) {
    if (text[i] == '.') {
      fraction = true;
      continue;
    }
    if (decimal.digits.empty() && text[i] == '0') {
      if (fraction) --decimal.exponent;
      continue;
    }
    decimal.digits.push_back(text[i]);
    if (!fraction) ++decimal.exponent;
  }
  if (i < text.size()) {
    std::string_view written = text.substr(i + 1);
    if (!written.empty() && written.front() == '+') written.remove_prefix(1);
    int64_t exponent = 0;
    const auto result = std::from_chars(written.data(), written.data() + written.size(), exponent);
    if (result.ec != std::errc() || std::abs(exponent) > kHugeExponent) return std::nullopt;
    decimal.exponent += exponent;
  }
  while (!decimal.digits.empty() && decimal.digits.back() == '0') decimal.digits.pop_back();
  if (decimal.digits.empty()) decimal.exponent = 0;
  return decimal;
}

// For numbers that Normalize has no exponent for. Digits and sign alone; the exponent is the
// largest.
constexpr int64_t kLargestExponent = 1'000'000'000'000'000'000;

Decimal NormalizeAny(std::string_view text) {
  if (const std::optional<Decimal> decimal = Normalize(text)) return *decimal;
  const size_t e = text.find_first_of("eE");
  Decimal decimal = *Normalize(text.substr(0, e));
  std::string_view written = text.substr(e + 1);
  const bool negative = written.front() == '-';
  if (negative || written.front() == '+') written.remove_prefix(1);
  int64_t exponent = 0;
  const auto result = std::from_chars(written.data(), written.data() + written.size(), exponent);
  if (result.ec != std::errc() || exponent > kLargestExponent) exponent = kLargestExponent;
  if (!decimal.digits.empty()) decimal.exponent += negative ? -exponent : exponent;
  return decimal;
}

int Compare(const Decimal& a, const Decimal& b) {
  const auto sign = [](const Decimal& d) { return d.digits.empty() ? 0 : d.negative ? -1 : 1; };
  if (sign(a) != sign(b)) return sign(a) < sign(b) ? -1 : 1;
  if (sign(a) == 0) return 0;
  int order = 0;
  if (a.exponent != b.exponent) {
    order = a.exponent < b.exponent ? -1 : 1;
  } else {
    order = a.digits.compare(b.digits);
  }
  return a.negative ? -order : order;
}

}  // namespace

std::optional<double> ExactDouble(std::string_view number) {
  double value = 0;
  const char* const end = number.data() + number.size();
  const auto parsed = std::from_chars(number.data(), end, value);
  if (parsed.ec != std::errc() || parsed.ptr != end || !std::isfinite(value)) return std::nullopt;
  char shortest[32];
  const auto printed = std::to_chars(shortest, shortest + sizeof shortest, value);
  const std::string_view text(shortest, static_cast<size_t>(printed.ptr - shortest));
  if (text == number) return value;
  const std::optional<Decimal> written = Normalize(number);
  if (!written.has_value() || written != Normalize(text)) return std::nullopt;
  return value;
}

int CompareNumbers(std::string_view a, std::string_view b) {
  if (a == b) return 0;
  double left = 0;
  double right = 0;
  const auto parse = [](std::string_view text, double* value) {
    return std::from_chars(text.data(), text.data() + text.size(), *value).ec == std::errc();
  };
  // Rounding keeps the order, or makes them equal.
  if (parse(a, &left) && parse(b, &right) && left != right) return left < right ? -1 : 1;
  return Compare(NormalizeAny(a), NormalizeAny(b));
}

}  // namespace covet::payload
