#include "tools/token/flags.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace covet::token {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(TokenFlagsTest, Defaults) {
  const Flags flags = *ParseFlags({});
  EXPECT_FALSE(flags.api_key);
  EXPECT_EQ(flags.user, "user_123");
  EXPECT_THAT(flags.roles, ElementsAre("admin"));
  EXPECT_EQ(flags.ttl, absl::Hours(1));
}

TEST(TokenFlagsTest, ValuesBehindASpaceOrAnEqualsSign) {
  const Flags flags = *ParseFlags({"--user", "u=1", "--roles=admin,member", "--ttl", "90s",
                                   "--secret-file=s", "--scopes", "room:read:a_*,rpc:call"});
  EXPECT_EQ(flags.user, "u=1");
  EXPECT_THAT(flags.roles, ElementsAre("admin", "member"));
  EXPECT_THAT(flags.scopes, ElementsAre("room:read:a_*", "rpc:call"));
  EXPECT_EQ(flags.ttl, absl::Seconds(90));
  EXPECT_EQ(flags.secret_file, "s");
  EXPECT_THAT(ParseFlags({"--roles", ""})->roles, IsEmpty());
  EXPECT_EQ(ParseFlags({"--ttl", "0"})->ttl, absl::ZeroDuration());
}

TEST(TokenFlagsTest, ApiKey) {
  const Flags flags = *ParseFlags({"api-key", "--id", "reports"});
  EXPECT_TRUE(flags.api_key);
  EXPECT_EQ(flags.id, "reports");
}

TEST(TokenFlagsTest, RefusesWhatItDoesNotKnow) {
  const auto error = [](std::vector<std::string> arguments) {
    return std::string(ParseFlags(arguments).status().message());
  };
  EXPECT_THAT(error({"--usr", "u"}), HasSubstr("unknown argument --usr"));
  EXPECT_THAT(error({"u"}), HasSubstr("unknown argument u"));
  EXPECT_THAT(error({"--user", "u", "api-key"}), HasSubstr("unknown argument api-key"));
  EXPECT_THAT(error({"--user"}), HasSubstr("--user needs a value"));
  EXPECT_THAT(error({"--user="}), HasSubstr("--user needs a value"));
  for (const char* ttl : {"", "1", "x", "-1s", "inf", "1000000h"}) {
    EXPECT_THAT(error({"--ttl", ttl}), HasSubstr("is no duration")) << ttl;
  }
}

}  // namespace
}  // namespace covet::token
