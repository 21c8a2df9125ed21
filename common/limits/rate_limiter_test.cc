#include "common/limits/rate_limiter.h"

#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

namespace covet::limits {
namespace {

constexpr int64_t kStart = 5'000'000;
constexpr int64_t kMinute = 60'000'000;
const Rate kTen = Rate::Of(10, absl::Minutes(1));

TEST(RateLimiterTest, KeysDoNotShare) {
  RateLimiter limiter;
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(limiter.Take("a", kTen, kStart).allowed);
  EXPECT_FALSE(limiter.Take("a", kTen, kStart).allowed);
  EXPECT_FALSE(limiter.Peek("a", kTen, kStart).allowed);
  EXPECT_EQ(limiter.Peek("b", kTen, kStart).remaining, 10);
  EXPECT_TRUE(limiter.Take("b", kTen, kStart).allowed);
  EXPECT_TRUE(limiter.Take("a", kTen, kStart + kMinute / 10).allowed);
}

TEST(RateLimiterTest, WithoutALimitNothingIsKept) {
  RateLimiter limiter;
  EXPECT_TRUE(limiter.Take("a", Rate::Unlimited(), kStart).allowed);
  EXPECT_EQ(limiter.size(), 0u);
}

TEST(RateLimiterTest, IdleKeysGoAsNewOnesCome) {
  RateLimiter limiter;
  for (int i = 0; i < 1000; ++i) limiter.Take("old" + std::to_string(i), kTen, kStart);
  EXPECT_EQ(limiter.size(), 1000u);
  for (int i = 0; i < 1000; ++i) limiter.Take("new" + std::to_string(i), kTen, kStart + kMinute);
  EXPECT_LT(limiter.size(), 1100u);
  EXPECT_EQ(limiter.evictions(), 0);
}

TEST(RateLimiterTest, MemoryIsBoundedAndBusyKeysStay) {
  RateLimiter limiter(1600);
  for (int i = 0; i < 10; ++i) limiter.Take("busy", kTen, kStart);
  for (int i = 0; i < 20'000; ++i) {
    limiter.Take("flood" + std::to_string(i), kTen, kStart);
    // Used between the others, it is never the one used longest ago.
    if (i % 10 == 0) {
      ASSERT_FALSE(limiter.Take("busy", kTen, kStart).allowed);
    }
  }
  EXPECT_LE(limiter.size(), 1600u);
  EXPECT_GE(limiter.evictions(), 20'000 - 1600);
}

TEST(RateLimiterTest, ThreadsTogetherGetTheLimitOnce) {
  RateLimiter limiter;
  const Rate rate = Rate::Of(1000, absl::Hours(1));
  std::atomic<int> accepted{0};
  std::vector<std::thread> threads;
  threads.reserve(4);
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 1000; ++i) {
        if (limiter.Take("shared", rate, kStart).allowed) ++accepted;
        limiter.Take("other" + std::to_string(i % 50), rate, kStart);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(accepted, 1000);
}

}  // namespace
}  // namespace covet::limits
