#pragma once

#include <string>
#include <string_view>

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
};

// Tells who makes a call, from its metadata. Thread-safe; does not block.
class CallAuthenticator {
 public:
  virtual ~CallAuthenticator() = default;
  // UNAUTHENTICATED without a credential or with a bad one; INVALID_ARGUMENT for `covet-*` metadata
  // that does not come from a peer. `full_method` is `/package.Service/Method`.
  virtual absl::StatusOr<Caller> Authenticate(const grpc::CallbackServerContext& context,
                                              std::string_view full_method) = 0;
};

}  // namespace covet::server
