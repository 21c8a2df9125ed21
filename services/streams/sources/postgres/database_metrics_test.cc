#include "services/streams/sources/postgres/database_metrics.h"

#include <gtest/gtest.h>

namespace covet::streams::postgres {
namespace {

TEST(RateMembersTest, AreOfTheTimeBetweenTwoReadings) {
  const DatabaseCounters before{100, 10, 50, 950, 1'000'000};
  const DatabaseCounters now{300, 20, 60, 1040, 3'000'000};
  EXPECT_EQ(RateMembers(before, now),
            R"(,"transactions_per_second":105,"rollbacks_per_second":5,"cache_hit_ratio":0.9)");
}

TEST(RateMembersTest, TheFirstReadingHasNoRates) {
  EXPECT_EQ(RateMembers(std::nullopt, {100, 10, 25, 75, 1}), R"(,"cache_hit_ratio":0.75)");
  EXPECT_EQ(RateMembers(std::nullopt, {}), "");
}

TEST(RateMembersTest, WithoutReadsTheRatioIsOfAllTime) {
  const DatabaseCounters before{0, 0, 25, 75, 1'000'000};
  const DatabaseCounters now{0, 0, 25, 75, 2'000'000};
  EXPECT_EQ(RateMembers(before, now),
            R"(,"transactions_per_second":0,"rollbacks_per_second":0,"cache_hit_ratio":0.75)");
}

TEST(RateMembersTest, CountersThatWereResetAreAFirstReading) {
  const DatabaseCounters before{100, 10, 50, 950, 1'000'000};
  EXPECT_EQ(RateMembers(before, {1, 0, 1, 1, 2'000'000}), R"(,"cache_hit_ratio":0.5)");
}

}  // namespace
}  // namespace covet::streams::postgres
