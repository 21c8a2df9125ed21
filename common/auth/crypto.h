#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace covet::auth {

// The few primitives that credentials need, on OpenSSL. Stateless and thread-safe.

inline constexpr size_t kSha256Bytes = 32;

// Raw bytes, 32 of them.
std::string Sha256(std::string_view data);
std::string HmacSha256(std::string_view key, std::string_view data);

// Whether both are the same, in a time that depends on their lengths only.
bool ConstantTimeEquals(std::string_view a, std::string_view b);

// base64url without padding (RFC 7515 section 2).
std::string EncodeBase64Url(std::string_view bytes);
// Only the one canonical form: no padding, no other characters, unused bits zero. Else nothing.
std::optional<std::string> DecodeBase64Url(std::string_view text);

std::string EncodeHex(std::string_view bytes);
// Either case, an even number of digits and nothing else. Else nothing.
std::optional<std::string> DecodeHex(std::string_view text);

// `count` bytes of OpenSSL's CSPRNG.
std::string RandomBytes(size_t count);

}  // namespace covet::auth
