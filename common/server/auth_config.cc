#include "common/server/auth_config.h"

#include <vector>

#include "absl/time/time.h"
#include "common/config/config.h"
#include "common/config/values.h"

namespace covet::server {

absl::StatusOr<std::shared_ptr<const auth::AuthKeys>> AuthKeysOf(const config::v1::Config& config) {
  auto keys = std::make_shared<auth::AuthKeys>();
  const config::v1::JwtConfig& jwt = config.auth().jwt();
  for (const auto& key : jwt.keys()) {
    auto secret = config::ResolveSecret(key.secret());
    if (!secret.ok()) return secret.status();
    auto verifier = auth::MakeHs256Key(key.kid(), *std::move(secret));
    if (!verifier.ok()) return verifier.status();
    const absl::Status status = keys->jwt_keys.Add(*std::move(verifier));
    if (!status.ok()) return status;
  }
  keys->jwt.issuer = jwt.issuer();
  keys->jwt.audience = jwt.audience();
  keys->jwt.leeway = absl::Nanoseconds(config::Nanos(jwt.leeway()));
  keys->jwt.user_claim = jwt.user_claim();
  keys->jwt.roles_claim = jwt.roles_claim();
  keys->jwt.scopes_claim = jwt.scopes_claim();
  for (const auto& api_key : config.auth().api_keys()) {
    auth::ApiKeyRecord record;
    record.key_id = api_key.id();
    record.sha256_hex = api_key.sha256();
    record.user_id = api_key.user_id();
    record.roles.assign(api_key.roles().begin(), api_key.roles().end());
    record.disabled = api_key.disabled();
    if (api_key.has_expires_at()) record.expires_at_ms = api_key.expires_at().seconds() * 1000;
    const absl::Status status = keys->api_keys.Add(record);
    if (!status.ok()) return status;
  }
  return keys;
}

absl::StatusOr<std::shared_ptr<const policy::Policy>> PolicyOf(const config::v1::Config& config) {
  std::vector<policy::Role> roles;
  for (const auto& [name, role] : config.roles()) {
    roles.push_back({name, {role.grants().begin(), role.grants().end()}});
  }
  auto policy = policy::Policy::Compile(roles);
  if (!policy.ok()) return policy.status();
  return std::make_shared<const policy::Policy>(*std::move(policy));
}

}  // namespace covet::server
