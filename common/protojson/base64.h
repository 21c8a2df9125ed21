#pragma once

#include <string>
#include <string_view>

// Base64 as the Protobuf JSON mapping has it. Internal to protojson.
namespace covet::protojson::internal {

// Appends the standard alphabet with padding.
void AppendBase64(std::string_view bytes, std::string* out);

// Appends the bytes of either alphabet, padded or not. False, with `out` in an undefined state, for
// anything else.
bool DecodeBase64(std::string_view text, std::string* out);

}  // namespace covet::protojson::internal
