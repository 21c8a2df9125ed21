#pragma once

#include <string>
#include <string_view>

namespace covet::protojson::internal {

// The texts one after another. absl::StrCat takes no std::string_view where Abseil has its own.
template <typename... Texts>
std::string Concat(const Texts&... texts) {
  std::string all;
  all.reserve((std::string_view(texts).size() + ...));
  (all.append(std::string_view(texts)), ...);
  return all;
}

}  // namespace covet::protojson::internal
