#include "common/limits/gcra.h"

#include <gtest/gtest.h>

#include "common/base/id_generator.h"
#include "common/base/manual_clock.h"

namespace covet::limits {
namespace {

static_assert(sizeof(Gcra) == 8, "every connection holds one");

constexpr int64_t kStart = 5'000'000;
constexpr int64_t kSecond = 1'000'000;
const Rate kHundredAMinute = Rate::Of(100, absl::Minutes(1));

TEST(GcraTest, TheWholeLimitAtOnceAndNotOneMore) {
  Gcra gcra;
  for (int i = 1; i <= 100; ++i) {
    const RateDecision decision = gcra.Take(kHundredAMinute, kStart);
    EXPECT_TRUE(decision.allowed) << i;
    EXPECT_EQ(decision.limit, 100);
    EXPECT_EQ(decision.remaining, 100 - i);
    // The time of the next one: at once, until the last was taken.
    EXPECT_EQ(decision.wait_us, i < 100 ? 0 : 600'000) << i;
  }
  const RateDecision refused = gcra.Take(kHundredAMinute, kStart);
  EXPECT_FALSE(refused.allowed);
  EXPECT_EQ(refused.remaining, 0);
  EXPECT_EQ(refused.wait_us, 600'000);
}

TEST(GcraTest, OneMoreIsAcceptedAtExactlyTheTimeTold) {
  Gcra gcra;
  for (int i = 0; i < 100; ++i) gcra.Take(kHundredAMinute, kStart);
  EXPECT_FALSE(gcra.Take(kHundredAMinute, kStart + 599'999).allowed);
  EXPECT_EQ(gcra.Peek(kHundredAMinute, kStart + 599'999).wait_us, 1);
  EXPECT_TRUE(gcra.Take(kHundredAMinute, kStart + 600'000).allowed);
  EXPECT_FALSE(gcra.Take(kHundredAMinute, kStart + 600'000).allowed);
}

TEST(GcraTest, RefusedRequestsCostNothing) {
  Gcra gcra;
  for (int i = 0; i < 100; ++i) gcra.Take(kHundredAMinute, kStart);
  for (int i = 0; i < 10'000; ++i) EXPECT_FALSE(gcra.Take(kHundredAMinute, kStart + i).allowed);
  EXPECT_TRUE(gcra.Take(kHundredAMinute, kStart + 600'000).allowed);
}

TEST(GcraTest, RefillsEvenlyAndNeverBeyondTheLimit) {
  Gcra gcra;
  for (int i = 0; i < 100; ++i) gcra.Take(kHundredAMinute, kStart);
  EXPECT_EQ(gcra.Peek(kHundredAMinute, kStart + 30 * kSecond).remaining, 50);
  EXPECT_FALSE(gcra.Idle(kStart + 60 * kSecond - 1));
  EXPECT_TRUE(gcra.Idle(kStart + 60 * kSecond));
  EXPECT_EQ(gcra.Peek(kHundredAMinute, kStart + 3600 * kSecond).remaining, 100);
  int accepted = 0;
  while (gcra.Take(kHundredAMinute, kStart + 3600 * kSecond).allowed) ++accepted;
  EXPECT_EQ(accepted, 100);
}

TEST(GcraTest, PeekTakesNothing) {
  Gcra gcra;
  const Rate one = Rate::Of(1, absl::Seconds(1));
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(gcra.Peek(one, kStart).allowed);
  EXPECT_TRUE(gcra.Take(one, kStart).allowed);
  EXPECT_FALSE(gcra.Peek(one, kStart).allowed);
}

TEST(GcraTest, WithoutALimit) {
  Gcra gcra;
  for (int i = 0; i < 1000; ++i) EXPECT_TRUE(gcra.Take(Rate::Unlimited(), kStart).allowed);
  EXPECT_TRUE(gcra.Idle(kStart));
}

TEST(GcraTest, AChangedRateTakesEffectAtOnce) {
  Gcra gcra;
  const Rate ten = Rate::Of(10, absl::Seconds(1));
  for (int i = 0; i < 10; ++i) gcra.Take(ten, kStart);
  EXPECT_FALSE(gcra.Take(ten, kStart).allowed);
  EXPECT_EQ(gcra.Peek(Rate::Of(1000, absl::Seconds(1)), kStart).wait_us, 1000);
  EXPECT_EQ(gcra.Peek(Rate::Of(10, absl::Seconds(5)), kStart).remaining, 8);
  // A lower one never gives a negative rest.
  EXPECT_EQ(gcra.Peek(Rate::Of(1, absl::Minutes(1)), kStart).remaining, 0);
}

TEST(GcraTest, ExtremeRates) {
  Gcra gcra;
  const Rate fast = Rate::Of(1'000'000'000, absl::Seconds(1));
  for (int i = 0; i < 1000; ++i) EXPECT_TRUE(gcra.Take(fast, kStart).allowed);
  Gcra slow_state;
  const Rate slow = Rate::Of(1, absl::Hours(24));
  EXPECT_TRUE(slow_state.Take(slow, kStart).allowed);
  EXPECT_EQ(slow_state.Take(slow, kStart).wait_us, 24 * 3600 * kSecond);
}

// In no window of one period may more than twice the limit (a burst and its refill) pass, and over
// a long time the limit per period; whatever the pattern of requests.
TEST(GcraTest, HoldsTheRateUnderRandomTraffic) {
  for (const int64_t limit : {1, 3, 7, 100, 333}) {
    SeededIds random(static_cast<uint64_t>(limit));
    const Rate rate = Rate::Of(limit, absl::Seconds(1));
    Gcra gcra;
    int64_t now = kStart;
    int64_t accepted = 0;
    for (int i = 0; i < 200'000; ++i) {
      now += static_cast<int64_t>(random.Random64() % 3000);
      const bool peeked = gcra.Peek(rate, now).allowed;
      const RateDecision decision = gcra.Take(rate, now);
      ASSERT_EQ(decision.allowed, peeked);
      ASSERT_GE(decision.remaining, 0);
      if (decision.allowed) {
        ++accepted;
      } else {
        ASSERT_GT(decision.wait_us, 0);
        Gcra copy = gcra;
        ASSERT_FALSE(Gcra(copy).Take(rate, now + decision.wait_us - 1).allowed);
        ASSERT_TRUE(copy.Take(rate, now + decision.wait_us).allowed);
      }
    }
    const double periods = static_cast<double>(now - kStart) / kSecond;
    EXPECT_LE(static_cast<double>(accepted), static_cast<double>(limit) * (periods + 1) + 1);
    EXPECT_GE(static_cast<double>(accepted), static_cast<double>(limit) * periods * 0.99);
  }
}

TEST(ResetTest, IsWallTimeAndNeverEarly) {
  ManualClock clock(1000);
  RateDecision decision;
  EXPECT_EQ(ResetWallMillis(decision, clock), 1000);
  decision.wait_us = 1;
  EXPECT_GE(ResetWallMillis(decision, clock), 1001);
  decision.wait_us = 600'000;
  EXPECT_GE(ResetWallMillis(decision, clock), 1600);
  EXPECT_LE(ResetWallMillis(decision, clock), 1601);
  // With the clock late within its millisecond the wait may end in the next one.
  clock.AdvanceMicros(999);
  decision.wait_us = 1001;
  EXPECT_GE(ResetWallMillis(decision, clock), 1002);
}

}  // namespace
}  // namespace covet::limits
