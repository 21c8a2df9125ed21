#include "common/auth/authenticator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <thread>

#include "common/base/manual_clock.h"
#include "common/errors/error.h"

namespace covet::auth {
namespace {

bool IsAuthExpired(const absl::Status& status) {
  return !status.ok() && CodeOf(status) == ErrorCode::kAuthExpired;
}

const std::string kSecret(32, 's');

std::shared_ptr<AuthKeys> KeysWith(const std::string& secret) {
  auto keys = std::make_shared<AuthKeys>();
  EXPECT_TRUE(keys->jwt_keys.Add(*MakeHs256Key("", secret)).ok());
  return keys;
}

std::string Token(const std::string& user, const std::string& secret = kSecret,
                  int64_t expires_at_s = 0) {
  JwtClaims claims;
  claims.user_id = user;
  claims.expires_at_s = expires_at_s;
  return MintJwt({}, claims, "", secret);
}

TEST(AuthenticatorTest, TokensAndKeys) {
  ManualClock clock;
  const NewApiKey key = GenerateApiKey("k");
  auto keys = KeysWith(kSecret);
  ApiKeyRecord record;
  record.key_id = "k";
  record.sha256_hex = key.sha256_hex;
  record.user_id = "svc";
  ASSERT_TRUE(keys->api_keys.Add(record).ok());
  const Authenticator authenticator(keys, clock);

  EXPECT_EQ(authenticator.Authenticate({Token("u"), ""})->user_id(), "u");
  EXPECT_EQ(authenticator.Authenticate({"", key.key})->user_id(), "svc");
  for (const Credentials& bad : {Credentials{}, Credentials{Token("u"), key.key},
                                 Credentials{key.key, ""}, Credentials{"", Token("u")}}) {
    const auto result = authenticator.Authenticate(bad);
    EXPECT_TRUE(absl::IsUnauthenticated(result.status()));
    EXPECT_FALSE(IsAuthExpired(result.status()));
  }
}

TEST(AuthenticatorTest, KeysThatAreTakenBackHoldNoMore) {
  ManualClock clock;
  const NewApiKey key = GenerateApiKey("k:1");
  ApiKeyRecord record;
  record.key_id = "k:1";
  record.sha256_hex = key.sha256_hex;
  record.user_id = "svc";
  const auto with = [&](const ApiKeyRecord& kept) {
    auto keys = KeysWith(kSecret);
    EXPECT_TRUE(keys->api_keys.Add(kept).ok());
    return keys;
  };
  Authenticator authenticator(with(record), clock);
  const std::string fingerprint = ApiKeyFingerprint(key.key);
  ASSERT_NE(authenticator.ApiKeyIdentity(fingerprint), nullptr);
  EXPECT_EQ(authenticator.reloads(), 0u);
  authenticator.Reload(with(record));
  EXPECT_EQ(authenticator.reloads(), 1u);
  ASSERT_NE(authenticator.ApiKeyIdentity(fingerprint), nullptr);
  ApiKeyRecord disabled = record;
  disabled.disabled = true;
  ApiKeyRecord replaced = record;
  replaced.sha256_hex = GenerateApiKey("k:1").sha256_hex;
  ApiKeyRecord other = record;
  other.key_id = "k";
  for (const ApiKeyRecord& left : {disabled, replaced, other}) {
    authenticator.Reload(with(left));
    EXPECT_EQ(authenticator.ApiKeyIdentity(fingerprint), nullptr);
  }
  ApiKeyRecord narrowed = record;
  narrowed.roles = {"guest"};
  authenticator.Reload(with(narrowed));
  const auto now = authenticator.ApiKeyIdentity(fingerprint);
  authenticator.Reload(with(disabled));
  ASSERT_NE(now, nullptr);
  EXPECT_THAT(now->roles(), testing::ElementsAre("guest"));
}

TEST(AuthenticatorTest, ExpiryFollowsTheClock) {
  ManualClock clock(1'757'505'600'000);
  const Authenticator authenticator(KeysWith(kSecret), clock);
  const Credentials credentials{Token("u", kSecret, 1'757'505'601), ""};
  EXPECT_TRUE(authenticator.Authenticate(credentials).ok());
  clock.AdvanceMillis(1000);
  EXPECT_TRUE(IsAuthExpired(authenticator.Authenticate(credentials).status()));
}

TEST(AuthenticatorTest, ReloadWhileOthersAuthenticate) {
  ManualClock clock;
  const std::string other(32, 'o');
  Authenticator authenticator(KeysWith(kSecret), clock);
  const Credentials old_token{Token("u"), ""};
  const Credentials new_token{Token("u", other), ""};
  EXPECT_FALSE(authenticator.Authenticate(new_token).ok());
  std::thread reader([&] {
    while (!authenticator.Authenticate(new_token).ok()) std::this_thread::yield();
  });
  authenticator.Reload(KeysWith(other));
  reader.join();
  EXPECT_FALSE(authenticator.Authenticate(old_token).ok());
}

}  // namespace
}  // namespace covet::auth
