#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace covet::bench {

// What a minted token says; empty members are left out. Values must not need JSON escaping.
struct TokenClaims {
  std::string subject = {};
  std::vector<std::string> roles = {};
  std::string issuer = {};
  std::string audience = {};
  std::string key_id = {};  // The header's `kid`.
  int64_t issued_at = 0;    // Unix seconds.
  int64_t expires_at = 0;   // Unix seconds.
};

// A JWT signed with HS256 (RFC 7519, RFC 7518 section 3.2).
std::string MintToken(const TokenClaims& claims, const std::string& secret);

}  // namespace covet::bench
