#pragma once

#include <cstdint>
#include <string_view>

// Reading JSON numbers without losing digits. Internal to protojson; each requires a JSON number.
namespace covet::protojson::internal {

struct Integer {
  bool negative = false;
  uint64_t magnitude = 0;
};

// False where the number has a fraction (1.0 and 1.5e1 have none) or more than 64 bits.
bool ParseInteger(std::string_view number, Integer* out);

enum class RealError : uint8_t { kNone, kTooLarge, kInexact };

// The nearest value. kTooLarge beyond the type's range; kInexact for an integer, written without
// fraction and exponent, whose digits the type does not keep.
RealError ParseDouble(std::string_view number, double* out);
RealError ParseFloat(std::string_view number, float* out);

// Whether `text` is a JSON number and nothing else.
bool IsNumber(std::string_view text);

}  // namespace covet::protojson::internal
