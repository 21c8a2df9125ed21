#pragma once

#include <string>
#include <string_view>

namespace covet::payload {

// What a JSON string stands for, in UTF-8. `raw` is what is between the quotes of a valid string. A
// lone surrogate becomes the three bytes that its code point would have, so that different strings
// stay different and compare by code point.
void AppendUnescaped(std::string* out, std::string_view raw);

// The same, without a copy where nothing is escaped: else a view of `scratch`.
std::string_view UnescapedView(std::string_view raw, std::string* scratch);

}  // namespace covet::payload
