#include "tools/token/mint.h"

#include <cstdint>

#include "absl/strings/str_cat.h"
#include "common/auth/jwt.h"
#include "common/config/config.h"
#include "common/policy/action.h"

namespace covet::token {
namespace {

absl::StatusOr<const config::v1::JwtKeyConfig*> FindKey(const config::v1::JwtConfig& config,
                                                        const std::string& kid) {
  for (const auto& key : config.keys()) {
    if (key.algorithm() != config::v1::JWT_ALGORITHM_HS256) continue;
    if (kid.empty() || key.kid() == kid) return &key;
  }
  return absl::NotFoundError(kid.empty() ? "the configuration has no HS256 key (auth.jwt.keys)"
                                         : absl::StrCat("no HS256 key with the kid \"", kid, "\""));
}

}  // namespace

absl::StatusOr<std::string> Mint(const config::v1::JwtConfig& config, const MintOptions& options,
                                 const Clock& clock) {
  for (const std::string& scope : options.scopes) {
    if (!policy::ParseGrant(scope)) {
      return absl::InvalidArgumentError(
          absl::StrCat("\"", scope, "\" is no grant such as room:read:project_*"));
    }
  }
  const auto key = FindKey(config, options.kid);
  if (!key.ok()) return key.status();
  const auto secret = config::ResolveSecret((*key)->secret());
  if (!secret.ok()) return secret.status();

  auth::JwtOptions format;
  format.user_claim = config.user_claim();
  format.roles_claim = config.roles_claim();
  format.scopes_claim = config.scopes_claim();
  auth::JwtClaims claims;
  claims.user_id = options.user_id;
  claims.roles = options.roles;
  claims.scopes = options.scopes;
  claims.issuer = config.issuer();
  claims.audience = config.audience();
  claims.issued_at_s = clock.WallMillis() / 1000;
  if (options.ttl != absl::ZeroDuration()) {
    claims.expires_at_s = claims.issued_at_s + absl::ToInt64Seconds(options.ttl);
  }
  return auth::MintJwt(format, claims, (*key)->kid(), *secret);
}

}  // namespace covet::token
