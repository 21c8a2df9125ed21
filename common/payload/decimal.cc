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

}  // namespace covet::payload
