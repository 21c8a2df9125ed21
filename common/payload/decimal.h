#pragma once

#include <optional>
#include <string_view>

namespace covet::payload {

// The double that a JSON number stands for, if the double's shortest decimal form has the number's
// very digits (1.0 and 1 are the same); none where digits would be lost. Requires a valid JSON
// number.
std::optional<double> ExactDouble(std::string_view number);

// Below, at or above 0 as `a` is less than, equal to or greater than `b`, by their digits: nothing
// is rounded. Exponents beyond 10^18 count as that. Requires valid JSON numbers.
int CompareNumbers(std::string_view a, std::string_view b);

}  // namespace covet::payload
