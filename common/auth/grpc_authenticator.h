#pragma once

#include <grpcpp/support/client_interceptor.h>
#include <grpcpp/support/string_ref.h>

#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "common/auth/authenticator.h"
#include "common/auth/peer_token.h"
#include "common/base/clock.h"
#include "common/server/call_authenticator.h"
#include "covet/common/v1/common.pb.h"

namespace grpc {
class ClientContext;
}

namespace covet::auth {

// Authenticates gRPC calls: a peer by its token and the identity that it vouches for, everyone else
// by `authorization: Bearer` or `x-api-key`. Thread-safe.
class GrpcAuthenticator final : public server::CallAuthenticator {
 public:
  // All must outlive this.
  GrpcAuthenticator(const Authenticator& users, const PeerTokens& peers, const Clock& clock)
      : users_(users), peers_(peers), clock_(clock) {}

  // UNAUTHENTICATED without a credential, with a bad one, with two different ones or a peer token
  // that does not hold; INVALID_ARGUMENT for `covet-*` metadata without a peer token and for an
  // identity that cannot be read.
  absl::StatusOr<server::Caller> Authenticate(const grpc::CallbackServerContext& context,
                                              std::string_view full_method) override;

  absl::Status StillHolds(const server::Caller& caller) override;

  using Metadata = std::multimap<grpc::string_ref, grpc::string_ref>;
  // The same from a call's metadata, as every kind of server context holds it.
  absl::StatusOr<server::Caller> AuthenticateMetadata(const Metadata& metadata,
                                                      std::string_view full_method) const;

 private:
  absl::StatusOr<server::Caller> AuthenticatePeer(const Metadata& metadata,
                                                  std::string_view full_method) const;

  const Authenticator& users_;
  const PeerTokens& peers_;
  const Clock& clock_;
};

// Adds a fresh peer token to every call of the channel that it is installed in
// (InProcessChannelWithInterceptors, CreateCustomChannelWithInterceptors). Call credentials would
// not do: gRPC refuses those on channels without TLS, the in-process one among them. `tokens` must
// outlive the channel.
std::unique_ptr<grpc::experimental::ClientInterceptorFactoryInterface> MakePeerTokenInterceptor(
    const PeerTokens& tokens, std::string role);

// Makes the call speak for `identity`. Only for channels with the interceptor above, before the
// call starts.
void SpeakFor(const covet::common::v1::Identity& identity, grpc::ClientContext* context);

}  // namespace covet::auth
