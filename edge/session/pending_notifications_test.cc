#include "edge/session/pending_notifications.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>

namespace covet::edge {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

TEST(PendingNotificationsTest, APongAcknowledgesWhatWasSentBeforeItsPing) {
  PendingNotifications pending;
  EXPECT_EQ(pending.TakePing(), std::nullopt);
  EXPECT_TRUE(pending.Add("a"));
  EXPECT_TRUE(pending.Add("b"));
  const std::optional<std::string> ping = pending.TakePing();
  ASSERT_TRUE(ping.has_value());
  EXPECT_TRUE(pending.Add("c"));
  EXPECT_EQ(pending.TakePing(), std::nullopt);  // One is under way.
  EXPECT_EQ(pending.RepeatPing(), ping);
  EXPECT_THAT(pending.OnPong(*ping), ElementsAre("a", "b"));
  EXPECT_EQ(pending.RepeatPing(), std::nullopt);
  const std::optional<std::string> next = pending.TakePing();
  ASSERT_TRUE(next.has_value());
  EXPECT_NE(next, ping);
  EXPECT_THAT(pending.OnPong(*next), ElementsAre("c"));
  EXPECT_EQ(pending.size(), 0u);
}

TEST(PendingNotificationsTest, OneThatWaitsIsNotSentAgain) {
  PendingNotifications pending;
  EXPECT_TRUE(pending.Add("a"));
  EXPECT_FALSE(pending.Add("a"));
  EXPECT_TRUE(pending.Acknowledge("a"));
  EXPECT_TRUE(pending.Add("a"));
}

TEST(PendingNotificationsTest, PongsThatNobodyAskedForSayNothing) {
  PendingNotifications pending;
  pending.Add("a");
  EXPECT_THAT(pending.OnPong("n1"), IsEmpty());
  const std::string ping = *pending.TakePing();
  for (const char* forged : {"", "n", "n2", "n-1", "n1x", "x1", "n99999999999999999999"}) {
    EXPECT_THAT(pending.OnPong(forged), IsEmpty()) << forged;
  }
  EXPECT_THAT(pending.OnPong(ping), ElementsAre("a"));
  EXPECT_THAT(pending.OnPong(ping), IsEmpty());
}

TEST(PendingNotificationsTest, EachOneSentAllowsOneExplicitAcknowledgement) {
  PendingNotifications pending;
  EXPECT_FALSE(pending.Acknowledge("a"));
  pending.Add("a");
  pending.OnPong(*pending.TakePing());
  // The pong was faster: the client's own still counts, once.
  EXPECT_TRUE(pending.Acknowledge("a"));
  EXPECT_FALSE(pending.Acknowledge("a"));
}

TEST(PendingNotificationsTest, TheOldestIsForgottenBeyondTheBound) {
  PendingNotifications pending;
  for (size_t i = 0; i <= PendingNotifications::kMaxPending; ++i) {
    EXPECT_TRUE(pending.Add(std::to_string(i)));
  }
  EXPECT_EQ(pending.size(), PendingNotifications::kMaxPending);
  EXPECT_TRUE(pending.Add("0"));
  const auto acknowledged = pending.OnPong(*pending.TakePing());
  EXPECT_THAT(acknowledged, SizeIs(PendingNotifications::kMaxPending));
  EXPECT_EQ(acknowledged.front(), "2");
}

}  // namespace
}  // namespace covet::edge
