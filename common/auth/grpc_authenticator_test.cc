#include "common/auth/grpc_authenticator.h"

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/auth/crypto.h"
#include "common/auth/metadata_keys.h"
#include "common/base/manual_clock.h"
#include "common/errors/error.h"
#include "covet/rooms/v1/rooms.grpc.pb.h"

namespace covet::auth {
namespace {

bool IsAuthExpired(const absl::Status& status) {
  return !status.ok() && CodeOf(status) == ErrorCode::kAuthExpired;
}

using covet::common::v1::Identity;
using server::Caller;

constexpr char kMethod[] = "/covet.rooms.v1.RoomService/GetRoom";
const std::string kSecret(32, 's');
constexpr char kClusterKey[] = "a cluster key of some length";

class GrpcAuthenticatorTest : public ::testing::Test {
 protected:
  GrpcAuthenticatorTest() {
    auto keys = std::make_shared<AuthKeys>();
    EXPECT_TRUE(keys->jwt_keys.Add(*MakeHs256Key("", kSecret)).ok());
    const NewApiKey key = GenerateApiKey("k");
    ApiKeyRecord record;
    record.key_id = "k";
    record.sha256_hex = key.sha256_hex;
    record.user_id = "svc";
    EXPECT_TRUE(keys->api_keys.Add(record).ok());
    api_key_ = key.key;
    users_.emplace(keys, clock_);
    authenticator_.emplace(*users_, peers_, clock_);
    JwtClaims claims;
    claims.user_id = "user_123";
    bearer_ = "Bearer " + MintJwt({}, claims, "", kSecret);
    peer_user_.set_user_id("user_9");
    peer_user_.set_session_id("sess_1");
  }

  absl::StatusOr<Caller> Authenticate(
      const std::vector<std::pair<std::string, std::string>>& metadata) {
    GrpcAuthenticator::Metadata refs;
    for (const auto& [name, value] : metadata) refs.emplace(name, value);
    return authenticator_->AuthenticateMetadata(refs, kMethod);
  }
  absl::StatusCode CodeFor(const std::vector<std::pair<std::string, std::string>>& metadata) {
    return Authenticate(metadata).status().code();
  }
  std::string PeerToken() { return peers_.Make("edge", kMethod); }

  ManualClock clock_;
  PeerTokens peers_{kClusterKey, clock_};
  std::optional<Authenticator> users_;
  std::optional<GrpcAuthenticator> authenticator_;
  std::string api_key_;
  std::string bearer_;
  Identity peer_user_;
};

TEST_F(GrpcAuthenticatorTest, UsersByTokenOrKey) {
  const auto by_token = Authenticate({{"authorization", bearer_}, {"user-agent", "grpcurl"}});
  ASSERT_TRUE(by_token.ok()) << by_token.status();
  EXPECT_FALSE(by_token->peer);
  EXPECT_EQ(by_token->peer_role, "");
  EXPECT_EQ(by_token->identity.user_id(), "user_123");
  EXPECT_EQ(Authenticate({{"x-api-key", api_key_}})->identity.user_id(), "svc");
}

TEST_F(GrpcAuthenticatorTest, ACredentialHoldsUntilItEnds) {
  Caller token = *Authenticate({{"authorization", bearer_}});
  EXPECT_TRUE(authenticator_->StillHolds(token).ok());
  token.identity.mutable_expires_at()->set_seconds(clock_.WallMillis() / 1000 + 2);
  EXPECT_TRUE(authenticator_->StillHolds(token).ok());
  clock_.AdvanceMillis(2'000);
  EXPECT_TRUE(IsAuthExpired(authenticator_->StillHolds(token)));

  const Caller key = *Authenticate({{"x-api-key", api_key_}});
  EXPECT_TRUE(authenticator_->StillHolds(key).ok());
  ApiKeyRecord record;
  record.key_id = "k";
  record.sha256_hex = EncodeHex(Sha256(api_key_));
  record.user_id = "svc";
  const auto reload = [&](const ApiKeyRecord& changed) {
    auto keys = std::make_shared<AuthKeys>();
    ASSERT_TRUE(keys->api_keys.Add(changed).ok());
    users_->Reload(std::move(keys));
  };
  reload(record);
  EXPECT_TRUE(authenticator_->StillHolds(key).ok());
  // What was begun with other rights does not go on with them.
  ApiKeyRecord roles = record;
  roles.roles = {"guest"};
  reload(roles);
  EXPECT_EQ(CodeOf(authenticator_->StillHolds(key)), ErrorCode::kUnavailable);
  ApiKeyRecord ended = record;
  ended.expires_at_ms = clock_.WallMillis();
  reload(ended);
  EXPECT_TRUE(IsAuthExpired(authenticator_->StillHolds(key)));
  ApiKeyRecord given = record;
  given.user_id = "another";
  reload(given);
  EXPECT_EQ(CodeOf(authenticator_->StillHolds(key)), ErrorCode::kAuthFailed);
  users_->Reload(std::make_shared<AuthKeys>());
  EXPECT_EQ(CodeOf(authenticator_->StillHolds(key)), ErrorCode::kAuthFailed);
}

TEST_F(GrpcAuthenticatorTest, NobodyWithoutACredential) {
  for (const auto& metadata : std::vector<std::vector<std::pair<std::string, std::string>>>{
           {},
           {{"user-agent", "x"}},
           {{"authorization", "Bearer x"}},
           {{"authorization", "Basic x"}},
           {{"x-api-key", "k.x"}},
           {{"authorization", bearer_}, {"x-api-key", api_key_}},
           {{"authorization", bearer_}, {"authorization", "Bearer x"}}}) {
    EXPECT_EQ(CodeFor(metadata), absl::StatusCode::kUnauthenticated);
  }
}

TEST_F(GrpcAuthenticatorTest, PeersSpeakForThemselvesOrForUsers) {
  const auto itself = Authenticate({{kPeerTokenKey, PeerToken()}});
  ASSERT_TRUE(itself.ok()) << itself.status();
  EXPECT_TRUE(itself->peer);
  EXPECT_EQ(itself->peer_role, "edge");
  EXPECT_EQ(itself->identity.user_id(), "");
  const auto user =
      Authenticate({{kPeerTokenKey, PeerToken()}, {kIdentityKey, peer_user_.SerializeAsString()}});
  ASSERT_TRUE(user.ok()) << user.status();
  EXPECT_EQ(user->identity.user_id(), "user_9");
  EXPECT_EQ(user->identity.session_id(), "sess_1");
}

TEST_F(GrpcAuthenticatorTest, ReservedMetadataIsForPeersOnly) {
  const std::string identity = peer_user_.SerializeAsString();
  EXPECT_EQ(CodeFor({{kIdentityKey, identity}}), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(CodeFor({{"authorization", bearer_}, {kIdentityKey, identity}}),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(CodeFor({{"authorization", bearer_}, {"covet-anything", ""}}),
            absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(Authenticate({{"authorization", bearer_}, {"covetous", ""}}).ok());
  // A token that does not hold is no better than none, and a good credential beside it does not
  // mend it.
  EXPECT_EQ(
      CodeFor({{"authorization", bearer_}, {kPeerTokenKey, "edge.1.x"}, {kIdentityKey, identity}}),
      absl::StatusCode::kUnauthenticated);
  EXPECT_EQ(CodeFor({{kPeerTokenKey, peers_.Make("edge", "/other")}, {kIdentityKey, identity}}),
            absl::StatusCode::kUnauthenticated);
  EXPECT_EQ(CodeFor({{kPeerTokenKey, PeerToken()}, {kPeerTokenKey, PeerToken()}}),
            absl::StatusCode::kUnauthenticated);
}

TEST_F(GrpcAuthenticatorTest, IdentitiesMustBeReadableAndAlive) {
  EXPECT_EQ(CodeFor({{kPeerTokenKey, PeerToken()}, {kIdentityKey, "\xff\xff"}}),
            absl::StatusCode::kInvalidArgument);
  const std::string identity = peer_user_.SerializeAsString();
  EXPECT_EQ(
      CodeFor({{kPeerTokenKey, PeerToken()}, {kIdentityKey, identity}, {kIdentityKey, identity}}),
      absl::StatusCode::kInvalidArgument);
  peer_user_.mutable_expires_at()->set_seconds(clock_.WallMillis() / 1000 + 1);
  const auto call = [&] {
    return Authenticate(
               {{kPeerTokenKey, PeerToken()}, {kIdentityKey, peer_user_.SerializeAsString()}})
        .status();
  };
  EXPECT_TRUE(call().ok());
  clock_.AdvanceMillis(1000);
  EXPECT_TRUE(IsAuthExpired(call()));
}

// Answers with whom the authenticator sees.
class WhoAmI final : public covet::rooms::v1::RoomService::CallbackService {
 public:
  explicit WhoAmI(GrpcAuthenticator& authenticator) : authenticator_(authenticator) {}

  grpc::ServerUnaryReactor* GetRoom(grpc::CallbackServerContext* context,
                                    const covet::rooms::v1::GetRoomRequest*,
                                    covet::rooms::v1::Room* response) override {
    const auto caller = authenticator_.Authenticate(*context, kMethod);
    if (caller.ok()) response->set_room_id(caller->peer_role + "/" + caller->identity.user_id());
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    reactor->Finish(caller.ok()
                        ? grpc::Status::OK
                        : grpc::Status(static_cast<grpc::StatusCode>(caller.status().code()),
                                       std::string(caller.status().message())));
    return reactor;
  }

 private:
  GrpcAuthenticator& authenticator_;
};

TEST_F(GrpcAuthenticatorTest, OverARealChannel) {
  WhoAmI service(*authenticator_);
  grpc::ServerBuilder builder;
  builder.RegisterService(&service);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  std::vector<std::unique_ptr<grpc::experimental::ClientInterceptorFactoryInterface>> interceptors;
  interceptors.push_back(MakePeerTokenInterceptor(peers_, "edge"));
  const auto peer = covet::rooms::v1::RoomService::NewStub(
      server->experimental().InProcessChannelWithInterceptors({}, std::move(interceptors)));
  const auto outsider = covet::rooms::v1::RoomService::NewStub(server->InProcessChannel({}));

  covet::rooms::v1::Room room;
  {
    grpc::ClientContext context;
    ASSERT_TRUE(peer->GetRoom(&context, {}, &room).ok());
    EXPECT_EQ(room.room_id(), "edge/");
  }
  // A fresh token each: the first one's time is long over.
  clock_.AdvanceMillis(10 * kPeerTokenLifetimeMs);
  {
    grpc::ClientContext context;
    SpeakFor(peer_user_, &context);
    ASSERT_TRUE(peer->GetRoom(&context, {}, &room).ok());
    EXPECT_EQ(room.room_id(), "edge/user_9");
  }
  {
    grpc::ClientContext context;
    context.AddMetadata("authorization", bearer_);
    ASSERT_TRUE(outsider->GetRoom(&context, {}, &room).ok());
    EXPECT_EQ(room.room_id(), "/user_123");
  }
  {
    grpc::ClientContext context;
    EXPECT_EQ(outsider->GetRoom(&context, {}, &room).error_code(),
              grpc::StatusCode::UNAUTHENTICATED);
  }
  {
    grpc::ClientContext context;
    context.AddMetadata("authorization", bearer_);
    SpeakFor(peer_user_, &context);
    EXPECT_EQ(outsider->GetRoom(&context, {}, &room).error_code(),
              grpc::StatusCode::INVALID_ARGUMENT);
  }
  server->Shutdown();
}

}  // namespace
}  // namespace covet::auth
