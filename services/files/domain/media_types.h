#pragma once

#include <string_view>

namespace covet::files {

// Whether content that libmagic takes for `detected` may have been announced as `announced`. Doubt
// speaks for the uploader: libmagic tells containers and not what is in them, hardly tells one text
// from another, and knows nothing of many formats. `application/octet-stream` announces nothing.
bool TypeFits(std::string_view announced, std::string_view detected);

}  // namespace covet::files
