#include "common/protojson/number.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <string>
#include <system_error>

#include "absl/strings/charconv.h"
#include "common/payload/decimal.h"
#include "common/payload/json_scanner.h"

namespace covet::protojson::internal {
namespace {

// Every integer of so few digits is exact in the type.
constexpr size_t kDoubleDigits = 15;
constexpr size_t kFloatDigits = 7;

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// Multiplies by ten and adds; false beyond 64 bits.
bool Push(uint64_t* value, unsigned digit) {
  return !__builtin_mul_overflow(*value, uint64_t{10}, value) &&
         !__builtin_add_overflow(*value, uint64_t{digit}, value);
}

// A number with a fraction or an exponent.
bool ParseGeneral(std::string_view text, uint64_t* out) {
  // digits × 10^exponent
  std::string digits;
  int64_t exponent = 0;
  size_t i = 0;
  for (; i < text.size() && IsDigit(text[i]); ++i) digits.push_back(text[i]);
  if (i < text.size() && text[i] == '.') {
    for (++i; i < text.size() && IsDigit(text[i]); ++i) {
      digits.push_back(text[i]);
      --exponent;
    }
  }
  if (i < text.size()) {
    ++i;  // e
    bool negative = false;
    if (text[i] == '+' || text[i] == '-') negative = text[i++] == '-';
    // Beyond any number of digits that a text can hold.
    constexpr int64_t kEnough = int64_t{1} << 40;
    int64_t value = 0;
    for (; i < text.size(); ++i) value = std::min(value * 10 + (text[i] - '0'), kEnough);
    exponent += negative ? -value : value;
  }
  while (!digits.empty() && digits.back() == '0') {
    digits.pop_back();
    ++exponent;
  }
  digits.erase(0, digits.find_first_not_of('0'));
  *out = 0;
  if (digits.empty()) return true;
  constexpr int64_t kMaxDigits = 20;
  if (exponent < 0 || static_cast<int64_t>(digits.size()) + exponent > kMaxDigits) return false;
  for (const char digit : digits) {
    if (!Push(out, static_cast<unsigned>(digit - '0'))) return false;
  }
  for (; exponent > 0; --exponent) {
    if (!Push(out, 0)) return false;
  }
  return true;
}

// Whether the number is written without fraction and exponent, with more than `digits` digits.
bool IsLongInteger(std::string_view number, size_t digits) {
  if (number.front() == '-') number.remove_prefix(1);
  return number.size() > digits && std::all_of(number.begin(), number.end(), IsDigit);
}

// The nearest value; false if it is infinite.
template <typename T>
bool Nearest(std::string_view number, T* out) {
  const auto result = absl::from_chars(number.data(), number.data() + number.size(), *out);
  // What is too small is out of range as well, but near enough to zero.
  return result.ec != std::errc::result_out_of_range || std::abs(*out) < 1;
}

}  // namespace

bool ParseInteger(std::string_view number, Integer* out) {
  out->negative = number.front() == '-';
  if (out->negative) number.remove_prefix(1);
  uint64_t value = 0;
  constexpr size_t kSafeDigits = 19;
  if (number.size() <= kSafeDigits) {
    size_t i = 0;
    for (; i < number.size() && IsDigit(number[i]); ++i) {
      value = value * 10 + static_cast<uint64_t>(number[i] - '0');
    }
    if (i == number.size()) {
      out->magnitude = value;
      return true;
    }
  }
  return ParseGeneral(number, &out->magnitude);
}

RealError ParseDouble(std::string_view number, double* out) {
  if (IsLongInteger(number, kDoubleDigits)) {
    const std::optional<double> exact = payload::ExactDouble(number);
    if (exact.has_value()) {
      *out = *exact;
      return RealError::kNone;
    }
    return Nearest(number, out) ? RealError::kInexact : RealError::kTooLarge;
  }
  return Nearest(number, out) ? RealError::kNone : RealError::kTooLarge;
}

RealError ParseFloat(std::string_view number, float* out) {
  if (IsLongInteger(number, kFloatDigits)) {
    double value;
    if (const RealError error = ParseDouble(number, &value); error != RealError::kNone)
      return error;
    if (std::abs(value) > std::numeric_limits<float>::max()) return RealError::kTooLarge;
    *out = static_cast<float>(value);
    return static_cast<double>(*out) == value ? RealError::kNone : RealError::kInexact;
  }
  return Nearest(number, out) ? RealError::kNone : RealError::kTooLarge;
}

bool IsNumber(std::string_view text) {
  if (text.empty() || (text.front() != '-' && !IsDigit(text.front())) || !IsDigit(text.back())) {
    return false;
  }
  return payload::ScanJson(text, 0).ok();
}

}  // namespace covet::protojson::internal
