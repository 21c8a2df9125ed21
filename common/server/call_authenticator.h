#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "covet/common/v1/common.pb.h"

namespace grpc {
class CallbackServerContext;
}

namespace covet::server {

// Who makes a gRPC call.
struct Caller {
  // The user; for a peer the user that it speaks for, empty if it speaks for itself.
  common::v1::Identity identity;
  // A role of this deployment, proven by a peer token. Only then does a service read identities in
  // messages.
  bool peer = false;
  // The peer's role, e.g. `edge`; empty for others.
  std::string peer_role;
  // Of the API key that was shown (auth::ApiKeyFingerprint); empty for tokens and peers.
  std::string key_fingerprint;
};

// Tells who makes a call, from its metadata. Thread-safe; does not block.
class CallAuthenticator {
 public:
  virtual ~CallAuthenticator() = default;
  // UNAUTHENTICATED without a credential or with a bad one; INVALID_ARGUMENT for `covet-*` metadata
  // that does not come from a peer. `full_method` is `/package.Service/Method`.
  virtual absl::StatusOr<Caller> Authenticate(const grpc::CallbackServerContext& context,
                                              std::string_view full_method) = 0;
  // OK while the credential that told who it is still does; AUTH_EXPIRED when it has ended,
  // AUTH_FAILED for a key that was withdrawn or names another user, UNAVAILABLE for one whose roles
  // or end are others now: the same call, made anew, goes by those.
  virtual absl::Status StillHolds(const Caller& caller) = 0;
};

}  // namespace covet::server
