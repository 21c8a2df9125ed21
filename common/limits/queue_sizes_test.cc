#include "common/limits/queue_sizes.h"

#include <gtest/gtest.h>

namespace covet::limits {
namespace {

TEST(QueueSizesTest, TheLargestAreEnough) {
  QueueSizes sizes;
  sizes.Move(0, 1'000'000);
  for (int i = 0; i < 10; ++i) sizes.Move(0, 100'000);
  EXPECT_TRUE(sizes.AmongLargest(1'000'000, 1));
  EXPECT_FALSE(sizes.AmongLargest(100'000, 1'000'000));
  EXPECT_TRUE(sizes.AmongLargest(100'000, 1'000'001));
  EXPECT_FALSE(sizes.AmongLargest(1'000, 2'000'000));
  EXPECT_TRUE(sizes.AmongLargest(1'000, 2'000'001));
}

TEST(QueueSizesTest, NobodyIsWhereNothingIsToBeFreed) {
  QueueSizes sizes;
  sizes.Move(0, 1'000);
  EXPECT_FALSE(sizes.AmongLargest(1'000, 0));
}

TEST(QueueSizesTest, QueuesThatAreCutGiveWay) {
  QueueSizes sizes;
  sizes.Move(0, 1'000'000);
  sizes.Move(0, 10'000);
  EXPECT_FALSE(sizes.AmongLargest(10'000, 500'000));
  sizes.Move(1'000'000, 100);
  EXPECT_TRUE(sizes.AmongLargest(10'000, 5'000));
  sizes.Move(100, 0);
  sizes.Move(10'000, 20'000);
  EXPECT_FALSE(sizes.AmongLargest(10'000, 20'000));
  EXPECT_TRUE(sizes.AmongLargest(20'000, 20'000));
}

}  // namespace
}  // namespace covet::limits
