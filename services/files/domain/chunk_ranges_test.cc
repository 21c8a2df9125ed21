#include "services/files/domain/chunk_ranges.h"

#include <algorithm>
#include <numeric>
#include <random>
#include <set>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace covet::files {
namespace {

using testing::ElementsAre;
using testing::Pair;

TEST(ChunkRangesTest, JoinsNeighbours) {
  ChunkRanges chunks;
  chunks.Add(0);
  chunks.Add(2);
  EXPECT_THAT(chunks.ranges(), ElementsAre(Pair(0, 0), Pair(2, 2)));
  chunks.Add(1);
  EXPECT_THAT(chunks.ranges(), ElementsAre(Pair(0, 2)));
  chunks.Add(1);
  EXPECT_EQ(chunks.count(), 3);
}

TEST(ChunkRangesTest, SwallowsWhatARangeCovers) {
  ChunkRanges chunks;
  for (const int64_t index : {1, 5, 7, 20}) chunks.Add(index);
  chunks.Add(4, 18);
  EXPECT_THAT(chunks.ranges(), ElementsAre(Pair(1, 1), Pair(4, 18), Pair(20, 20)));
  EXPECT_EQ(chunks.count(), 17);
  EXPECT_FALSE(chunks.Contains(0));
  EXPECT_TRUE(chunks.Contains(4));
  EXPECT_TRUE(chunks.Contains(18));
  EXPECT_FALSE(chunks.Contains(19));
}

TEST(ChunkRangesTest, AgreesWithASetInAnyOrder) {
  std::mt19937 random(1);
  for (int round = 0; round < 200; ++round) {
    ChunkRanges chunks;
    std::set<int64_t> expected;
    for (int step = 0; step < 40; ++step) {
      const int64_t first = random() % 60;
      const int64_t last = first + random() % 5;
      chunks.Add(first, last);
      for (int64_t i = first; i <= last; ++i) expected.insert(i);
    }
    ASSERT_EQ(chunks.count(), static_cast<int64_t>(expected.size()));
    for (int64_t i = 0; i < 70; ++i) ASSERT_EQ(chunks.Contains(i), expected.contains(i));
    int64_t before = -2;
    for (const auto& [first, last] : chunks.ranges()) {
      ASSERT_GT(first, before + 1);
      ASSERT_GE(last, first);
      before = last;
    }
  }
}

}  // namespace
}  // namespace covet::files
