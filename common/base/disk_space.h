#pragma once

#include <cstdint>
#include <string>

namespace covet {

// What programs without privileges may still write where `path` is, in bytes; more than any disk
// has where that cannot be told. Blocks no longer than the file system's own bookkeeping.
int64_t FreeDiskBytes(const std::string& path);

}  // namespace covet
