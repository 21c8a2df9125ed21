#include "common/auth/credentials.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>

namespace covet::auth {
namespace {

UpgradeCredentials FromQuery(std::string_view query) {
  return ExtractCredentials({query, {}, {}, {}});
}

TEST(CredentialsTest, EveryForm) {
  EXPECT_EQ(FromQuery("token=t").credentials.token, "t");
  EXPECT_EQ(FromQuery("api_key=k.s").credentials.api_key, "k.s");
  EXPECT_EQ(ExtractCredentials({"", {"Bearer t"}, {}, {}}).credentials.token, "t");
  EXPECT_EQ(ExtractCredentials({"", {}, {" k.s "}, {}}).credentials.api_key, "k.s");
  EXPECT_EQ(ExtractCredentials({"", {}, {}, {"covet.v1, bearer.t"}}).credentials.token, "t");
  EXPECT_EQ(ExtractCredentials({"", {}, {}, {"bearer.a.b.c", "covet.v1"}}).credentials.token,
            "a.b.c");
}

TEST(CredentialsTest, NoneIsNoErrorYet) {
  for (const char* query :
       {"", "&&", "=", "x=1", "token=", "api_key=&token=", "token", "Token=t", "xtoken=t"}) {
    const UpgradeCredentials found = FromQuery(query);
    EXPECT_TRUE(found.status.ok()) << query;
    EXPECT_TRUE(found.credentials.empty()) << query;
  }
}

TEST(CredentialsTest, TwoDifferentOnesAreRefusedTheSameTwiceIsNot) {
  EXPECT_TRUE(
      ExtractCredentials({"token=t&token=t", {"Bearer t"}, {}, {"covet.v1,bearer.t"}}).status.ok());
  EXPECT_FALSE(FromQuery("token=t&token=u").status.ok());
  EXPECT_FALSE(FromQuery("token=t&api_key=k.s").status.ok());
  EXPECT_FALSE(ExtractCredentials({"token=t", {"Bearer u"}, {}, {}}).status.ok());
  EXPECT_FALSE(ExtractCredentials({"token=t", {}, {"k.s"}, {}}).status.ok());
  EXPECT_FALSE(ExtractCredentials({"token=t", {}, {}, {"covet.v1, bearer.u"}}).status.ok());
  EXPECT_FALSE(ExtractCredentials({"", {"Bearer t", "Bearer u"}, {}, {}}).status.ok());
  EXPECT_TRUE(absl::IsUnauthenticated(FromQuery("token=t&token=u").status));
}

TEST(CredentialsTest, PercentDecoding) {
  EXPECT_EQ(FromQuery("a=b&token=a%2Eb%2ec&c=d").credentials.token, "a.b.c");
  EXPECT_EQ(FromQuery("%74oken=t").credentials.token, "t");
  EXPECT_EQ(FromQuery("token=a+b%20c").credentials.token, "a+b c");
  EXPECT_EQ(FromQuery("token=a=b").credentials.token, "a=b");
  EXPECT_EQ(FromQuery("token=%00x").credentials.token, std::string("\0x", 2));
  for (const char* bad : {"token=%", "token=%2", "token=%zz", "api_key=a%2", "token=a%G0"}) {
    EXPECT_FALSE(FromQuery(bad).status.ok()) << bad;
  }
  EXPECT_TRUE(FromQuery("other=%zz&token=t").status.ok());
}

TEST(CredentialsTest, BearerScheme) {
  EXPECT_EQ(BearerToken("bearer  t "), "t");
  EXPECT_EQ(BearerToken("BEARER t"), "t");
  for (const char* other : {"", "Bearer", "Bearer ", "Bearert", "Basic dTpw", "Digest bearer t"}) {
    EXPECT_EQ(BearerToken(other), "") << other;
  }
  // A proxy's Basic authentication is not ours to judge.
  EXPECT_TRUE(ExtractCredentials({"token=t", {"Basic dTpw"}, {}, {}}).status.ok());
}

TEST(CredentialsTest, AnswersWithTheProtocolIfItWasOffered) {
  const auto answer = [](std::vector<std::string_view> offers) {
    return ExtractCredentials({"", {}, {}, std::move(offers)}).subprotocol;
  };
  EXPECT_EQ(answer({}), "");
  EXPECT_EQ(answer({"covet.v1"}), "covet.v1");
  EXPECT_EQ(answer({"bearer.t"}), "");
  EXPECT_EQ(answer({"other ,covet.v1 , bearer.t"}), "covet.v1");
  EXPECT_EQ(answer({"covet.v2", "covet.v1x", "Covet.v1"}), "");
  // A refusal answers it too: the client must be able to read the error.
  const UpgradeCredentials refused =
      ExtractCredentials({"token=a", {}, {}, {"covet.v1, bearer.b"}});
  EXPECT_FALSE(refused.status.ok());
  EXPECT_EQ(refused.subprotocol, "covet.v1");
}

}  // namespace
}  // namespace covet::auth
