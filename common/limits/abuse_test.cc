#include "common/limits/abuse.h"

#include <gtest/gtest.h>

#include <string>

namespace covet::limits {
namespace {

static_assert(sizeof(ConnectionAbuse) == 16, "every connection holds one");

constexpr int64_t kStart = 5'000'000;
constexpr int64_t kMinute = 60'000'000;
const IpAddress kAddress = *IpAddress::Parse("192.0.2.1");

TEST(DecayingScoreTest, HalvesEachHalfLife) {
  DecayingScore score;
  EXPECT_DOUBLE_EQ(score.Add(8, kStart, kMinute), 8);
  EXPECT_DOUBLE_EQ(score.At(kStart + kMinute, kMinute), 4);
  EXPECT_DOUBLE_EQ(score.Add(4, kStart + kMinute, kMinute), 8);
  EXPECT_DOUBLE_EQ(score.At(kStart + 4 * kMinute, kMinute), 1);
  EXPECT_EQ(score.MicrosUntil(4, kStart + kMinute, kMinute), kMinute);
  EXPECT_EQ(score.MicrosUntil(8, kStart + kMinute, kMinute), 0);
}

TEST(ConnectionAbuseTest, ClosesAtTheThreshold) {
  const AbusePolicy policy;
  ConnectionAbuse abuse;
  for (int i = 1; i < 100; ++i) EXPECT_FALSE(abuse.Offend(policy, kStart)) << i;
  EXPECT_TRUE(abuse.Offend(policy, kStart));
  EXPECT_EQ(abuse.WaitMicros(policy, kStart), kMinute);
}

TEST(ConnectionAbuseTest, ClosesAtTheThresholdThoughTimePassesBetween) {
  AbusePolicy policy;
  policy.close_after = 5;
  ConnectionAbuse abuse;
  for (int i = 1; i < 5; ++i) EXPECT_FALSE(abuse.Offend(policy, kStart + i * 1000)) << i;
  EXPECT_TRUE(abuse.Offend(policy, kStart + 5000));
}

TEST(ConnectionAbuseTest, SlowOffendersAreBorne) {
  // One a second settles at 1 / (1 - 2^(-1/60)) = 87 points.
  const AbusePolicy policy;
  ConnectionAbuse abuse;
  for (int i = 0; i < 10'000; ++i) EXPECT_FALSE(abuse.Offend(policy, kStart + i * 1'000'000L));
}

TEST(ConnectionAbuseTest, ZeroTurnsItOff) {
  AbusePolicy policy;
  policy.close_after = 0;
  ConnectionAbuse abuse;
  for (int i = 0; i < 10'000; ++i) EXPECT_FALSE(abuse.Offend(policy, kStart));
}

TEST(AddressAbuseTest, BlocksForAWhileAndThenBeginsAnew) {
  const AbusePolicy policy;
  AddressAbuse abuse;
  for (int i = 1; i < 1000; ++i) EXPECT_FALSE(abuse.Offend(kAddress, policy, kStart));
  EXPECT_EQ(abuse.BlockedFor(kAddress, kStart), 0);
  EXPECT_TRUE(abuse.Offend(kAddress, policy, kStart));
  EXPECT_EQ(abuse.BlockedFor(kAddress, kStart), 10 * kMinute);
  EXPECT_EQ(abuse.BlockedFor(kAddress, kStart + 10 * kMinute - 1), 1);
  EXPECT_EQ(abuse.BlockedFor(kAddress, kStart + 10 * kMinute), 0);
  // Offences during a block do not prolong it.
  EXPECT_TRUE(abuse.Offend(kAddress, policy, kStart + kMinute));
  EXPECT_EQ(abuse.BlockedFor(kAddress, kStart + kMinute), 9 * kMinute);
  EXPECT_FALSE(abuse.Offend(kAddress, policy, kStart + 10 * kMinute));
}

TEST(AddressAbuseTest, CountsByAddressOrSlash64) {
  AbusePolicy policy;
  policy.block_after = 2;
  AddressAbuse abuse;
  EXPECT_FALSE(abuse.Offend(*IpAddress::Parse("2001:db8::1"), policy, kStart));
  EXPECT_FALSE(abuse.Offend(*IpAddress::Parse("2001:db8:0:1::1"), policy, kStart));
  EXPECT_TRUE(abuse.Offend(*IpAddress::Parse("2001:db8::2"), policy, kStart));
  EXPECT_GT(abuse.BlockedFor(*IpAddress::Parse("2001:db8::3"), kStart), 0);
  EXPECT_EQ(abuse.BlockedFor(*IpAddress::Parse("2001:db8:0:1::1"), kStart), 0);
}

TEST(AddressAbuseTest, PointsDecay) {
  AbusePolicy policy;
  policy.block_after = 3;
  AddressAbuse abuse;
  EXPECT_FALSE(abuse.Offend(kAddress, policy, kStart));
  EXPECT_FALSE(abuse.Offend(kAddress, policy, kStart));
  EXPECT_FALSE(abuse.Offend(kAddress, policy, kStart + kMinute));
  EXPECT_TRUE(abuse.Offend(kAddress, policy, kStart + kMinute));
}

TEST(AddressAbuseTest, ForgetsWhoBehavesAndKeepsWhoIsBlocked) {
  AbusePolicy policy;
  AddressAbuse abuse;
  const auto address = [](const std::string& net, int i) {
    return *IpAddress::Parse(net + std::to_string(i / 200) + "." + std::to_string(i % 200));
  };
  for (int i = 0; i < 2000; ++i) abuse.Offend(address("10.1.", i), policy, kStart);
  EXPECT_EQ(abuse.size(), 2000u);
  for (int i = 0; i < 2000; ++i) abuse.Offend(address("10.2.", i), policy, kStart + 3 * kMinute);
  EXPECT_LT(abuse.size(), 2200u);
  EXPECT_EQ(abuse.evictions(), 0);

  policy.block_after = 1;
  for (int i = 0; i < 2000; ++i) abuse.Offend(address("10.3.", i), policy, kStart + 4 * kMinute);
  for (int i = 0; i < 2000; ++i) abuse.Offend(address("10.4.", i), policy, kStart + 13 * kMinute);
  for (int i = 0; i < 2000; ++i) {
    ASSERT_EQ(abuse.BlockedFor(address("10.3.", i), kStart + 13 * kMinute), kMinute);
  }
}

}  // namespace
}  // namespace covet::limits
