#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "common/base/clock.h"

namespace covet::auth {

// Proves one role of a deployment to another, call by call: `<role>.<unix ms>.<mac>`, where mac is
// the base64url of HMAC-SHA256 under the cluster key over `covet-peer-v1`, role, time and method,
// each but the last followed by a newline. It holds for one method and kPeerTokenLifetimeMs around
// its time, for clocks differ both ways. It is no nonce: within that time the network between roles
// must not be readable (mutual TLS).

inline constexpr int64_t kPeerTokenLifetimeMs = 60'000;
inline constexpr size_t kMinClusterKeyBytes = 16;

// Makes and checks peer tokens. Immutable, thread-safe.
class PeerTokens {
 public:
  // `cluster_key` has kMinClusterKeyBytes or more (configuration checks it). `clock` must outlive
  // this.
  PeerTokens(std::string cluster_key, const Clock& clock);

  // A fresh token. `role` is of a-z and `-`; `full_method` is `/package.Service/Method`.
  std::string Make(std::string_view role, std::string_view full_method) const;

  // The role that the token proves for this method; UNAUTHENTICATED if none.
  absl::StatusOr<std::string> Verify(std::string_view token, std::string_view full_method) const;

 private:
  std::string Mac(std::string_view role, std::string_view time, std::string_view full_method) const;

  const std::string key_;
  const Clock& clock_;
};

}  // namespace covet::auth
