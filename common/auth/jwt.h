#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/auth/jws.h"
#include "covet/common/v1/common.pb.h"

namespace covet::auth {

inline constexpr int kMaxUserIdChars = 128;
inline constexpr size_t kMaxUserIdBytes = 512;
inline constexpr int kMaxRoles = 64;
inline constexpr int kMaxScopes = 256;

// Which tokens are believed and how they are read (RFC 7519).
struct JwtOptions {
  // What `iss` must be; empty for anything.
  std::string issuer;
  // What `aud` must be or contain; empty for anything.
  std::string audience;
  // How far the issuer's clock may be ahead (`nbf`, `iat`). `exp` holds to the second: a session
  // ends then, so to let one in later would only end it at once.
  absl::Duration leeway = absl::Seconds(30);
  // Refuses tokens without `exp`, which never end.
  bool require_expiry = false;
  std::string user_claim = "sub";
  std::string roles_claim = "roles";
  std::string scopes_claim = "scopes";
};

// Verifies a token's signature and claims and returns whom it names; AUTH_FAILED or AUTH_EXPIRED
// otherwise (see common/errors). `now_ms` is wall time.
//
//   user      1 to 128 characters, no control characters
//   roles     `["admin","member"]` or `"admin member"`
//   scopes    grants of the token's own: `["room:read:project_*", "rpc:call"]`, the same in one
//   string separated by
//             spaces, or `[{"action":"room:read","pattern":"project_*"}]`. Text that is no grant of
//             ours (`openid`) grants nothing; values of other types refuse the token.
absl::StatusOr<covet::common::v1::Identity> VerifyJwt(const KeySet& keys, const JwtOptions& options,
                                                      std::string_view token, int64_t now_ms);

// What MintJwt writes; times in seconds since the epoch, 0 leaves the claim out.
struct JwtClaims {
  std::string user_id;
  std::vector<std::string> roles;
  std::vector<std::string> scopes;
  std::string issuer;
  std::string audience;
  int64_t issued_at_s = 0;
  int64_t expires_at_s = 0;
};

// A token signed with HS256 that VerifyJwt reads with the options' claim names. For tools and
// tests.
std::string MintJwt(const JwtOptions& options, const JwtClaims& claims, std::string_view kid,
                    std::string_view secret);

}  // namespace covet::auth
