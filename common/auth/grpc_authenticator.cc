#include "common/auth/grpc_authenticator.h"

#include <grpcpp/client_context.h>
#include <grpcpp/server_context.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/auth/metadata_keys.h"
#include "common/base/proto_time.h"
#include "common/base/string_map.h"
#include "common/errors/error.h"

namespace covet::auth {
namespace {

using covet::common::v1::Identity;
using server::Caller;

std::string_view ToStd(grpc::string_ref text) { return {text.data(), text.size()}; }

bool HasExpired(const Identity& identity, int64_t now_ms) {
  if (!identity.has_expires_at()) return false;
  return now_ms >= Millis(identity.expires_at());
}

class PeerTokenInterceptor final : public grpc::experimental::Interceptor {
 public:
  PeerTokenInterceptor(const PeerTokens& tokens, const std::string& role, const char* method)
      : tokens_(tokens), role_(role), method_(method) {}

  void Intercept(grpc::experimental::InterceptorBatchMethods* methods) override {
    if (methods->QueryInterceptionHookPoint(
            grpc::experimental::InterceptionHookPoints::PRE_SEND_INITIAL_METADATA)) {
      methods->GetSendInitialMetadata()->emplace(kPeerTokenKey, tokens_.Make(role_, method_));
    }
    methods->Proceed();
  }

 private:
  const PeerTokens& tokens_;
  const std::string& role_;  // The factory's, which lives as long as the channel.
  const char* const method_;
};

class PeerTokenInterceptorFactory final
    : public grpc::experimental::ClientInterceptorFactoryInterface {
 public:
  PeerTokenInterceptorFactory(const PeerTokens& tokens, std::string role)
      : tokens_(tokens), role_(std::move(role)) {}

  grpc::experimental::Interceptor* CreateClientInterceptor(
      grpc::experimental::ClientRpcInfo* info) override {
    return new PeerTokenInterceptor(tokens_, role_, info->method());  // gRPC owns it.
  }

 private:
  const PeerTokens& tokens_;
  const std::string role_;
};

}  // namespace

absl::StatusOr<Caller> GrpcAuthenticator::Authenticate(const grpc::CallbackServerContext& context,
                                                       std::string_view full_method) {
  return AuthenticateMetadata(context.client_metadata(), full_method);
}

absl::StatusOr<Caller> GrpcAuthenticator::AuthenticateMetadata(const Metadata& metadata,
                                                               std::string_view full_method) const {
  if (metadata.count(kPeerTokenKey) > 0) return AuthenticatePeer(metadata, full_method);

  UpgradeRequest request;
  for (const auto& [name, value] : metadata) {
    if (name.starts_with(kReservedPrefix)) {
      return MakeError(ErrorCode::kInvalidArgument,
                       absl::StrCat("metadata ", ToAbsl(ToStd(name)), " is reserved for peers"));
    }
    if (name == kAuthorizationKey) request.authorization.push_back(ToStd(value));
    if (name == kApiKeyKey) request.api_key.push_back(ToStd(value));
  }
  const UpgradeCredentials found = ExtractCredentials(request);
  if (!found.status.ok()) return found.status;
  auto identity = users_.Authenticate(found.credentials);
  if (!identity.ok()) return identity.status();
  Caller caller;
  caller.identity = *std::move(identity);
  if (!found.credentials.api_key.empty()) {
    caller.key_fingerprint = ApiKeyFingerprint(found.credentials.api_key);
  }
  return caller;
}

absl::Status GrpcAuthenticator::StillHolds(const Caller& caller) {
  if (HasExpired(caller.identity, clock_.WallMillis())) {
    return MakeError(ErrorCode::kAuthExpired, "credential expired");
  }
  if (caller.key_fingerprint.empty()) return absl::OkStatus();
  const auto now = users_.ApiKeyIdentity(caller.key_fingerprint);
  if (now == nullptr || now->user_id() != caller.identity.user_id()) {
    return MakeError(ErrorCode::kAuthFailed, "the API key has been revoked");
  }
  if (HasExpired(*now, clock_.WallMillis())) {
    return MakeError(ErrorCode::kAuthExpired, "credential expired");
  }
  if (now->SerializeAsString() != caller.identity.SerializeAsString()) {
    return MakeError(ErrorCode::kUnavailable, "what the API key may do has changed, call again");
  }
  return absl::OkStatus();
}

absl::StatusOr<Caller> GrpcAuthenticator::AuthenticatePeer(const Metadata& metadata,
                                                           std::string_view full_method) const {
  if (metadata.count(kPeerTokenKey) != 1)
    return MakeError(ErrorCode::kUnauthenticated, "two peer tokens");
  auto role = peers_.Verify(ToStd(metadata.find(kPeerTokenKey)->second), full_method);
  if (!role.ok()) return role.status();
  Caller caller;
  caller.peer = true;
  caller.peer_role = *std::move(role);
  const auto [begin, end] = metadata.equal_range(kIdentityKey);
  if (begin == end) return caller;
  if (std::next(begin) != end ||
      !caller.identity.ParseFromArray(begin->second.data(),
                                      static_cast<int>(begin->second.size()))) {
    return MakeError(ErrorCode::kInvalidArgument, absl::StrCat("bad ", kIdentityKey));
  }
  // Its credential may have ended since the peer looked.
  if (HasExpired(caller.identity, clock_.WallMillis()))
    return MakeError(ErrorCode::kAuthExpired, "credential expired");
  return caller;
}

std::unique_ptr<grpc::experimental::ClientInterceptorFactoryInterface> MakePeerTokenInterceptor(
    const PeerTokens& tokens, std::string role) {
  return std::make_unique<PeerTokenInterceptorFactory>(tokens, std::move(role));
}

void SpeakFor(const Identity& identity, grpc::ClientContext* context) {
  context->AddMetadata(kIdentityKey, identity.SerializeAsString());
}

}  // namespace covet::auth
