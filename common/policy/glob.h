#pragma once

#include <string_view>

namespace covet::policy {

// Whether `text` as a whole matches `pattern`, in which `*` stands for any run of characters, the
// empty one included, and everything else for itself. Takes time linear in both, whatever they
// hold. Allocates nothing.
bool GlobMatch(std::string_view pattern, std::string_view text);

}  // namespace covet::policy
