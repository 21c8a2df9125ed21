#include "common/auth/peer_token.h"

#include <gtest/gtest.h>

#include <string>

#include "common/base/manual_clock.h"

namespace covet::auth {
namespace {

constexpr char kMethod[] = "/covet.rooms.v1.LinkService/Link";

class PeerTokenTest : public ::testing::Test {
 protected:
  bool Accepts(const std::string& token, const std::string& method = kMethod) const {
    return tokens_.Verify(token, method).ok();
  }

  ManualClock clock_;
  PeerTokens tokens_{"a cluster key of some length", clock_};
};

TEST_F(PeerTokenTest, ProvesTheRoleForTheMethod) {
  const std::string token = tokens_.Make("edge", kMethod);
  EXPECT_EQ(*tokens_.Verify(token, kMethod), "edge");
  EXPECT_FALSE(Accepts(token, "/covet.rooms.v1.RoomService/DeleteRoom"));
  EXPECT_FALSE(Accepts(token, ""));
  EXPECT_FALSE(PeerTokens("another cluster key", clock_).Verify(token, kMethod).ok());
}

TEST_F(PeerTokenTest, HoldsSixtySecondsBothWays) {
  const std::string token = tokens_.Make("edge", kMethod);
  clock_.AdvanceMillis(60'000);
  EXPECT_TRUE(Accepts(token));
  clock_.AdvanceMillis(1);
  EXPECT_FALSE(Accepts(token));
  clock_.JumpWallMillis(-120'001);
  EXPECT_TRUE(Accepts(token));
  clock_.JumpWallMillis(-1);
  EXPECT_FALSE(Accepts(token));
}

TEST_F(PeerTokenTest, NothingOfItCanBeChanged) {
  const std::string token = tokens_.Make("edge", kMethod);
  for (size_t i = 0; i < token.size(); ++i) {
    for (const char c : {'a', '0', '.', '-', '\n'}) {
      std::string changed = token;
      if (changed[i] == c) continue;
      changed[i] = c;
      EXPECT_FALSE(Accepts(changed)) << changed;
    }
    EXPECT_FALSE(Accepts(token.substr(0, i)));
  }
  EXPECT_FALSE(Accepts(token + "A"));
  EXPECT_FALSE(Accepts(""));
  EXPECT_FALSE(Accepts(".."));
  // The same time written otherwise is another token.
  const size_t dot = token.find('.');
  EXPECT_FALSE(Accepts(token.substr(0, dot + 1) + "0" + token.substr(dot + 1)));
  EXPECT_FALSE(Accepts(token.substr(0, dot + 1) + "99999999999999999999" + token.substr(dot + 14)));
}

}  // namespace
}  // namespace covet::auth
