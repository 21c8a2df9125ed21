#include "common/limits/connection_attempts.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "common/base/manual_clock.h"

namespace covet::limits {
namespace {

class ConnectionAttemptsTest : public ::testing::Test {
 protected:
  static IpAddress Ip(const std::string& text) { return *IpAddress::Parse(text); }

  ManualClock clock_;
  std::shared_ptr<AttemptLimits> limits_ = std::make_shared<AttemptLimits>();
  ConnectionAttempts attempts_{limits_, clock_};
  const IpAddress address_ = Ip("192.0.2.1");
};

TEST_F(ConnectionAttemptsTest, ValidOnesCountByUserAndAddress) {
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(attempts_.Valid("u", address_).allowed());
  const AttemptDecision refused = attempts_.Valid("u", address_);
  EXPECT_EQ(refused.verdict, AttemptVerdict::kThrottled);
  EXPECT_EQ(refused.wait_us, 6'000'000);
  EXPECT_TRUE(attempts_.Valid("v", address_).allowed());
  EXPECT_TRUE(attempts_.Valid("u", Ip("192.0.2.2")).allowed());
  clock_.AdvanceMillis(5'999);
  EXPECT_FALSE(attempts_.Valid("u", address_).allowed());
  clock_.AdvanceMillis(1);
  EXPECT_TRUE(attempts_.Valid("u", address_).allowed());
  EXPECT_FALSE(attempts_.Valid("u", address_).allowed());
}

TEST_F(ConnectionAttemptsTest, FailedOnesCountByAddress) {
  const IpAddress one = Ip("2001:db8::1");
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(attempts_.Failed(one).allowed());
  EXPECT_EQ(attempts_.Failed(Ip("2001:db8::2")).verdict, AttemptVerdict::kThrottled);
  EXPECT_TRUE(attempts_.Failed(Ip("2001:db8:0:1::1")).allowed());
  // Others behind the same address still come in.
  EXPECT_TRUE(attempts_.Begin(one).allowed());
  EXPECT_TRUE(attempts_.Valid("u", one).allowed());
}

TEST_F(ConnectionAttemptsTest, ACoarseCapComesFirst) {
  for (int i = 0; i < 1000; ++i) EXPECT_TRUE(attempts_.Begin(address_).allowed());
  EXPECT_EQ(attempts_.Begin(address_).verdict, AttemptVerdict::kThrottled);
  EXPECT_TRUE(attempts_.Begin(Ip("192.0.2.2")).allowed());
  clock_.AdvanceMillis(60);
  EXPECT_TRUE(attempts_.Begin(address_).allowed());
}

TEST_F(ConnectionAttemptsTest, ConfiguredAndAbusiveAddressesAreBlocked) {
  limits_->blocked = *NetworkList::Parse({"203.0.113.0/24"});
  limits_->abuse.block_after = 3;
  attempts_.Reload(std::make_shared<AttemptLimits>(*limits_));
  const AttemptDecision listed = attempts_.Begin(Ip("203.0.113.9"));
  EXPECT_EQ(listed.verdict, AttemptVerdict::kBlocked);
  EXPECT_EQ(listed.wait_us, 0);

  // Failed attempts and offences on connections add up.
  EXPECT_TRUE(attempts_.Failed(address_).allowed());
  EXPECT_FALSE(attempts_.Offend(address_));
  EXPECT_TRUE(attempts_.Offend(address_));
  const AttemptDecision blocked = attempts_.Begin(address_);
  EXPECT_EQ(blocked.verdict, AttemptVerdict::kBlocked);
  EXPECT_EQ(blocked.wait_us, limits_->abuse.block_for_us);
  EXPECT_TRUE(attempts_.Begin(Ip("192.0.2.2")).allowed());
  clock_.AdvanceMicros(limits_->abuse.block_for_us);
  EXPECT_TRUE(attempts_.Begin(address_).allowed());
}

TEST_F(ConnectionAttemptsTest, WithoutLimitsEverythingPasses) {
  auto none = std::make_shared<AttemptLimits>();
  none->valid = none->failed = none->address = Rate::Unlimited();
  none->abuse.block_after = 0;
  attempts_.Reload(none);
  for (int i = 0; i < 5000; ++i) {
    EXPECT_TRUE(attempts_.Begin(address_).allowed());
    EXPECT_TRUE(attempts_.Valid("u", address_).allowed());
    EXPECT_TRUE(attempts_.Failed(address_).allowed());
    EXPECT_FALSE(attempts_.Offend(address_));
  }
}

TEST_F(ConnectionAttemptsTest, AReloadKeepsWhatWasCounted) {
  for (int i = 0; i < 10; ++i) attempts_.Valid("u", address_);
  attempts_.Reload(std::make_shared<AttemptLimits>(*limits_));
  EXPECT_FALSE(attempts_.Valid("u", address_).allowed());
}

}  // namespace
}  // namespace covet::limits
