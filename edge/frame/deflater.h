#pragma once

#include <string>
#include <string_view>

namespace covet::edge {

// Appends `in` as raw deflate data (RFC 1951) without the trailing 00 00 ff ff, as RFC 7692
// section 7.2.1 wants a message's payload. Returns false and leaves `out` alone if that would not
// be smaller than `in`. Thread-safe: each thread keeps one compressor of about 270 KB from its
// first use.
bool DeflateMessage(std::string_view in, std::string* out);

}  // namespace covet::edge
