#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>

#include "absl/status/statusor.h"
#include "common/auth/api_key.h"
#include "common/auth/credentials.h"
#include "common/auth/jwt.h"
#include "common/base/clock.h"
#include "common/base/snapshot.h"
#include "covet/common/v1/common.pb.h"

namespace covet::auth {

// Everything that verifies credentials, as configuration says.
struct AuthKeys {
  KeySet jwt_keys;
  JwtOptions jwt;
  ApiKeys api_keys;
};

// Tells whom credentials name. Thread-safe.
class Authenticator {
 public:
  // `clock` must outlive this; `keys` is not null.
  Authenticator(std::shared_ptr<const AuthKeys> keys, const Clock& clock);

  // The identity, without a session id; AUTH_FAILED or AUTH_EXPIRED otherwise (common/errors).
  absl::StatusOr<covet::common::v1::Identity> Authenticate(const Credentials& credentials) const;

  // Replaces all keys (SIGHUP). Identities handed out before are not called back: whoever keeps one
  // asks ApiKeyIdentity when reloads() has changed. Tokens stand until they end.
  void Reload(std::shared_ptr<const AuthKeys> keys) {
    keys_.Set(std::move(keys));
    reloads_.fetch_add(1, std::memory_order_release);
  }
  uint64_t reloads() const { return reloads_.load(std::memory_order_acquire); }
  // As ApiKeys::Find, for as long as it is kept.
  std::shared_ptr<const covet::common::v1::Identity> ApiKeyIdentity(
      std::string_view fingerprint) const {
    std::shared_ptr<const AuthKeys> keys = keys_.Get();
    const covet::common::v1::Identity* identity = keys->api_keys.Find(fingerprint);
    if (identity == nullptr) return nullptr;
    return {std::move(keys), identity};
  }

 private:
  Snapshot<AuthKeys> keys_;
  std::atomic<uint64_t> reloads_{0};
  const Clock& clock_;
};

}  // namespace covet::auth
