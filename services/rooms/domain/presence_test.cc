#include "services/rooms/domain/presence.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

namespace covet::rooms {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr int64_t kGrace = 5'000;

std::vector<std::string> Left(Presence& presence, int64_t now_ms) {
  std::vector<std::string> left;
  for (const Presence::Left& user : presence.TakeLeft(now_ms)) {
    left.push_back(user.user_id + "/" + user.last_session_id);
  }
  return left;
}

TEST(PresenceTest, AUserJoinsWithTheFirstSession) {
  Presence presence;
  EXPECT_TRUE(presence.empty());
  EXPECT_TRUE(presence.Add("u", "1"));
  EXPECT_FALSE(presence.Add("u", "2"));
  EXPECT_FALSE(presence.Add("u", "2"));  // Known already.
  EXPECT_TRUE(presence.Add("v", "3"));
  EXPECT_EQ(presence.user_count(), 2);
  EXPECT_THAT(presence.users().at("u").sessions, ElementsAre("1", "2"));
}

TEST(PresenceTest, AUserLeavesWhenTheLastSessionHasBeenGoneForTheGrace) {
  Presence presence;
  presence.Add("u", "1");
  presence.Add("u", "2");
  presence.Remove("u", "1", 0, kGrace);
  EXPECT_EQ(presence.NextDue(), std::nullopt);
  presence.Remove("u", "2", 1'000, kGrace);
  EXPECT_EQ(presence.NextDue(), 6'000);
  EXPECT_THAT(Left(presence, 5'999), IsEmpty());
  EXPECT_EQ(presence.user_count(), 1);
  EXPECT_THAT(Left(presence, 6'000), ElementsAre("u/2"));
  EXPECT_TRUE(presence.empty());
  EXPECT_EQ(presence.NextDue(), std::nullopt);
}

TEST(PresenceTest, AReconnectShowsNothing) {
  Presence presence;
  presence.Add("u", "1");
  presence.Remove("u", "1", 0, kGrace);
  EXPECT_FALSE(presence.Add("u", "2"));
  EXPECT_THAT(Left(presence, 100'000), IsEmpty());
  EXPECT_EQ(presence.user_count(), 1);
}

TEST(PresenceTest, TheLastGoingCounts) {
  Presence presence;
  presence.Add("u", "1");
  presence.Remove("u", "1", 0, kGrace);
  presence.Add("u", "2");
  presence.Remove("u", "2", 3'000, kGrace);
  // The first grace ended, but it was made void.
  EXPECT_THAT(Left(presence, 5'000), IsEmpty());
  EXPECT_THAT(Left(presence, 8'000), ElementsAre("u/2"));
}

TEST(PresenceTest, GracesOfDifferentLengthEndInTheirOrder) {
  Presence presence;
  for (const char* user : {"a", "b", "c"}) presence.Add(user, user);
  presence.Remove("a", "a", 0, 5'000);
  presence.Remove("b", "b", 100, 0);
  presence.Remove("c", "c", 200, 1'000);
  EXPECT_THAT(Left(presence, 100), ElementsAre("b/b"));
  EXPECT_THAT(Left(presence, 5'000), ElementsAre("c/c", "a/a"));
}

TEST(PresenceTest, StrangersAreIgnored) {
  Presence presence;
  presence.Remove("u", "1", 0, kGrace);
  presence.Add("u", "1");
  presence.Remove("u", "2", 0, kGrace);
  presence.Remove("u", "1", 0, kGrace);
  presence.Remove("u", "1", 4'000, kGrace);  // Gone already: the grace runs on.
  EXPECT_THAT(Left(presence, 5'000), ElementsAre("u/1"));
}

}  // namespace
}  // namespace covet::rooms
