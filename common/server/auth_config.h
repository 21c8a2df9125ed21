#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "common/auth/authenticator.h"
#include "common/policy/policy.h"
#include "covet/config/v1/config.pb.h"

namespace covet::server {

// What verifies credentials, as `auth` says. INVALID_ARGUMENT, NOT_FOUND for what Validate would
// have refused.
absl::StatusOr<std::shared_ptr<const auth::AuthKeys>> AuthKeysOf(const config::v1::Config& config);

// The permission table that `roles` makes.
absl::StatusOr<std::shared_ptr<const policy::Policy>> PolicyOf(const config::v1::Config& config);

}  // namespace covet::server
