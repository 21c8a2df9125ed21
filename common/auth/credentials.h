#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"

namespace covet::auth {

// What a client shows to prove who it is. Never logged.
struct Credentials {
  std::string token;    // A JWT, or empty.
  std::string api_key;  // `<key_id>.<secret>`, or empty.

  bool empty() const { return token.empty() && api_key.empty(); }
};

// The subprotocol of the WebSocket API.
inline constexpr std::string_view kSubprotocol = "covet.v1";

// The parts of an upgrade request that may hold credentials; a header may come several times.
struct UpgradeRequest {
  std::string_view query;                       // After the `?`, still percent-encoded.
  std::vector<std::string_view> authorization;  // Authorization
  std::vector<std::string_view> api_key;        // X-API-Key
  std::vector<std::string_view> subprotocols;   // Sec-WebSocket-Protocol
};

struct UpgradeCredentials {
  Credentials credentials;
  // AUTH_FAILED if the request holds two different credentials or one that cannot be decoded. A
  // request without any is OK here; Authenticator refuses it.
  absl::Status status;
  // What the answer's Sec-WebSocket-Protocol says: `covet.v1` if it was offered, else empty for no
  // such header. Set whatever `status` says, since a refusal completes the upgrade too.
  std::string_view subprotocol;
};

// Finds the credentials of an upgrade request: `?token=`, `?api_key=`, `Authorization: Bearer`,
// `X-API-Key`, or the subprotocols `covet.v1, bearer.<token>`. The same credential in several forms
// counts as one; other authorization schemes are meant for others. Pure.
UpgradeCredentials ExtractCredentials(const UpgradeRequest& request);

// The token of `Bearer <token>` (RFC 6750; the scheme in any case); empty for other schemes.
std::string_view BearerToken(std::string_view authorization);

}  // namespace covet::auth
