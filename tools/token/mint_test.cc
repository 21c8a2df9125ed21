#include "tools/token/mint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/auth/jwt.h"
#include "common/base/manual_clock.h"
#include "common/config/config.h"

namespace covet::token {
namespace {

using ::testing::ElementsAre;

const std::string kSecret(32, 's');

config::v1::JwtConfig Config() {
  config::v1::JwtConfig config = config::DefaultConfig().auth().jwt();
  config.set_issuer("covet");
  config.set_audience("edge");
  for (const char* kid : {"first", "second"}) {
    auto* key = config.add_keys();
    key->set_kid(kid);
    key->set_algorithm(config::v1::JWT_ALGORITHM_HS256);
    key->mutable_secret()->set_value(std::string(kid) == "first" ? kSecret : std::string(32, 't'));
  }
  return config;
}

MintOptions Options() {
  MintOptions options;
  options.user_id = "user_123";
  options.roles = {"admin", "member"};
  options.scopes = {"room:read:x_*"};
  options.ttl = absl::Hours(1);
  return options;
}

absl::StatusOr<covet::common::v1::Identity> Verify(const std::string& token,
                                                   const std::string& secret, const Clock& clock) {
  auth::KeySet keys;
  EXPECT_TRUE(keys.Add(*auth::MakeHs256Key("", secret)).ok());
  auth::JwtOptions options;
  options.issuer = "covet";
  options.audience = "edge";
  return auth::VerifyJwt(keys, options, token, clock.WallMillis());
}

TEST(MintTest, TheTokenSaysWhatWasAskedFor) {
  ManualClock clock;
  const auto token = Mint(Config(), Options(), clock);
  ASSERT_TRUE(token.ok()) << token.status();
  const auto identity = Verify(*token, kSecret, clock);
  ASSERT_TRUE(identity.ok()) << identity.status();
  EXPECT_EQ(identity->user_id(), "user_123");
  EXPECT_THAT(identity->roles(), ElementsAre("admin", "member"));
  EXPECT_EQ(identity->scopes(0).pattern(), "x_*");
  EXPECT_EQ(identity->expires_at().seconds(), clock.WallMillis() / 1000 + 3600);
}

TEST(MintTest, TheKeyAndTheEndAreChosen) {
  ManualClock clock;
  MintOptions options = Options();
  options.kid = "second";
  options.ttl = absl::ZeroDuration();
  const auto token = Mint(Config(), options, clock);
  ASSERT_TRUE(token.ok()) << token.status();
  EXPECT_FALSE(Verify(*token, kSecret, clock).ok());
  EXPECT_FALSE(Verify(*token, std::string(32, 't'), clock)->has_expires_at());
}

TEST(MintTest, SaysWhatIsMissing) {
  ManualClock clock;
  MintOptions options = Options();
  options.kid = "third";
  EXPECT_TRUE(absl::IsNotFound(Mint(Config(), options, clock).status()));
  config::v1::JwtConfig none = Config();
  none.clear_keys();
  EXPECT_TRUE(absl::IsNotFound(Mint(none, Options(), clock).status()));
  options = Options();
  options.scopes = {"room:fly"};
  EXPECT_TRUE(absl::IsInvalidArgument(Mint(Config(), options, clock).status()));
}

}  // namespace
}  // namespace covet::token
