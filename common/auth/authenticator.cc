#include "common/auth/authenticator.h"

#include <utility>

#include "common/errors/error.h"

namespace covet::auth {

Authenticator::Authenticator(std::shared_ptr<const AuthKeys> keys, const Clock& clock)
    : keys_(std::move(keys)), clock_(clock) {}

absl::StatusOr<covet::common::v1::Identity> Authenticator::Authenticate(
    const Credentials& credentials) const {
  if (credentials.empty()) return MakeError(ErrorCode::kAuthFailed, "no credential");
  if (!credentials.token.empty() && !credentials.api_key.empty()) {
    return MakeError(ErrorCode::kAuthFailed, "two different credentials");
  }
  const std::shared_ptr<const AuthKeys> keys = keys_.Get();
  const int64_t now_ms = clock_.WallMillis();
  if (!credentials.api_key.empty()) return keys->api_keys.Verify(credentials.api_key, now_ms);
  return VerifyJwt(keys->jwt_keys, keys->jwt, credentials.token, now_ms);
}

}  // namespace covet::auth
