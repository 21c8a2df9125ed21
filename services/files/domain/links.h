#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "services/files/domain/options.h"

namespace covet::files {

// A link to a file: `<public_url>/files/<file_id>?expires=<Unix seconds>&signature=<…>`, where the
// signature is the HMAC-SHA256 of id and expiry under `url_key`, as base64url.
std::string MakeLink(const FilesOptions& options, std::string_view file_id, int64_t expires_s);

// Whether the link was made by MakeLink under this key and is valid at that time.
bool LinkHolds(const FilesOptions& options, std::string_view file_id, int64_t expires_s,
               std::string_view signature, int64_t now_ms);

}  // namespace covet::files
