#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/base/clock.h"
#include "covet/config/v1/config.pb.h"

namespace covet::token {

// What the token is to say.
struct MintOptions {
  std::string user_id;
  std::vector<std::string> roles;
  // Grants such as `room:read:project_*`.
  std::vector<std::string> scopes;
  // 0 for a token that never ends.
  absl::Duration ttl;
  // The key to sign with; empty for the configuration's first.
  std::string kid;
};

// A token that covetd accepts under this configuration. INVALID_ARGUMENT for a scope that is no
// grant, NOT_FOUND if the configuration has no such HS256 key or its secret cannot be read.
absl::StatusOr<std::string> Mint(const config::v1::JwtConfig& config, const MintOptions& options,
                                 const Clock& clock);

}  // namespace covet::token
