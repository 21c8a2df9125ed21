#include "common/auth/api_key.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "common/auth/crypto.h"
#include "common/errors/error.h"

namespace covet::auth {
namespace {

bool IsAuthExpired(const absl::Status& status) {
  return !status.ok() && CodeOf(status) == ErrorCode::kAuthExpired;
}

using ::testing::ElementsAre;

constexpr int64_t kNowMs = 1'757'505'600'000;

ApiKeyRecord Record(const NewApiKey& key) {
  ApiKeyRecord record;
  record.key_id = key.key.substr(0, key.key.find('.'));
  record.sha256_hex = key.sha256_hex;
  record.user_id = "svc_reports";
  record.roles = {"member"};
  return record;
}

TEST(ApiKeyTest, AGeneratedKeyNamesItsServiceAccount) {
  const NewApiKey key = GenerateApiKey("reports");
  EXPECT_EQ(key.key.substr(0, 8), "reports.");
  EXPECT_EQ(key.key.size(), 8 + 43u);
  EXPECT_EQ(key.sha256_hex, EncodeHex(Sha256(key.key)));
  EXPECT_NE(GenerateApiKey("reports").key, key.key);

  ApiKeys keys;
  ASSERT_TRUE(keys.Add(Record(key)).ok());
  const auto identity = keys.Verify(key.key, kNowMs);
  ASSERT_TRUE(identity.ok()) << identity.status();
  EXPECT_EQ(identity->user_id(), "svc_reports");
  EXPECT_THAT(identity->roles(), ElementsAre("member"));
  EXPECT_TRUE(identity->service_account());
  EXPECT_FALSE(identity->has_expires_at());
}

TEST(ApiKeyTest, NothingElseIsAccepted) {
  const NewApiKey key = GenerateApiKey("a");
  const NewApiKey other = GenerateApiKey("b");
  ApiKeys keys;
  ASSERT_TRUE(keys.Add(Record(key)).ok());
  ASSERT_TRUE(keys.Add(Record(other)).ok());
  const std::string secret = key.key.substr(2);
  for (const std::string& bad :
       {std::string(), std::string("."), std::string("a"), std::string("a."), "b." + secret,
        "c." + secret, "." + secret, secret, key.key + "x", key.key.substr(0, key.key.size() - 1),
        "A." + secret, key.sha256_hex, "a." + key.sha256_hex,
        "a." + std::string(ApiKeys::kMaxKeyBytes, 'x')}) {
    const auto result = keys.Verify(bad, kNowMs);
    EXPECT_TRUE(absl::IsUnauthenticated(result.status())) << bad;
    EXPECT_FALSE(IsAuthExpired(result.status())) << bad;
  }
}

TEST(ApiKeyTest, DisabledAndExpiredKeys) {
  const NewApiKey key = GenerateApiKey("a");
  ApiKeyRecord record = Record(key);
  record.expires_at_ms = kNowMs;
  ApiKeys keys;
  ASSERT_TRUE(keys.Add(record).ok());
  EXPECT_EQ(keys.Verify(key.key, kNowMs - 1)->expires_at().seconds(), kNowMs / 1000);
  EXPECT_TRUE(IsAuthExpired(keys.Verify(key.key, kNowMs).status()));
  // Only the holder of the key learns that it has ended.
  EXPECT_FALSE(IsAuthExpired(keys.Verify(key.key + "x", kNowMs).status()));

  record.disabled = true;
  ApiKeys disabled;
  ASSERT_TRUE(disabled.Add(record).ok());
  EXPECT_FALSE(disabled.Verify(key.key, kNowMs - 1).ok());
  EXPECT_FALSE(IsAuthExpired(disabled.Verify(key.key, kNowMs).status()));
}

TEST(ApiKeyTest, BadRecordsAreRefused) {
  const ApiKeyRecord good = Record(GenerateApiKey("a"));
  ApiKeys keys;
  EXPECT_TRUE(keys.empty());
  ApiKeyRecord bad = good;
  bad.key_id = "";
  EXPECT_FALSE(keys.Add(bad).ok());
  bad.key_id = "a.b";
  EXPECT_FALSE(keys.Add(bad).ok());
  bad = good;
  bad.user_id = "";
  EXPECT_FALSE(keys.Add(bad).ok());
  for (const std::string& hash :
       {std::string(), std::string(62, '0'), std::string(66, '0'), std::string(64, 'g')}) {
    bad = good;
    bad.sha256_hex = hash;
    EXPECT_FALSE(keys.Add(bad).ok()) << hash;
  }
  EXPECT_TRUE(keys.empty());
  EXPECT_TRUE(keys.Add(good).ok());
  EXPECT_FALSE(keys.Add(good).ok());
}

}  // namespace
}  // namespace covet::auth
