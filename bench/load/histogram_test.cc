#include "bench/load/histogram.h"

#include <gtest/gtest.h>

namespace covet::bench {
namespace {

TEST(HistogramTest, EmptyIsZero) {
  Histogram h;
  EXPECT_EQ(h.Quantile(0.99), 0u);
  EXPECT_EQ(h.count(), 0u);
}

TEST(HistogramTest, SmallValuesAreExact) {
  Histogram h;
  for (uint64_t v = 1; v <= 50; ++v) h.Add(v);
  EXPECT_EQ(h.Quantile(0), 1u);
  EXPECT_EQ(h.Quantile(0.5), 25u);
  EXPECT_EQ(h.Quantile(1), 50u);
}

TEST(HistogramTest, QuantilesAreWithinABucket) {
  Histogram h;
  for (uint64_t v = 1; v <= 100000; ++v) h.Add(v * 1000);
  for (double q : {0.01, 0.5, 0.9, 0.99, 0.999}) {
    const double exact = q * 1e8;
    EXPECT_GE(static_cast<double>(h.Quantile(q)), exact);
    EXPECT_LE(static_cast<double>(h.Quantile(q)), exact * 1.017);
  }
  EXPECT_EQ(h.max(), 100000000u);
  EXPECT_EQ(h.Quantile(1), 100000000u);
}

TEST(HistogramTest, HugeValuesStayInTheLastBucket) {
  Histogram h;
  h.Add(~uint64_t{0});
  EXPECT_EQ(h.count(), 1u);
  EXPECT_GE(h.Quantile(0.5), (uint64_t{1} << 40) - 1);
}

}  // namespace
}  // namespace covet::bench
