#include "common/eventlog/dedup_index.h"

#include <gtest/gtest.h>

#include <optional>

namespace covet::eventlog {
namespace {

constexpr int64_t kWindow = 600'000;

TEST(DedupIndexTest, HashesAreStableAndTellUserAndKeyApart) {
  // First 64 bits of SHA-256 of "user\0key", as the log keeps them: they must not change.
  EXPECT_EQ(DedupIndex::Hash("user", "key"), DedupIndex::Hash("user", "key"));
  EXPECT_NE(DedupIndex::Hash("user", "key"), DedupIndex::Hash("userk", "ey"));
  EXPECT_NE(DedupIndex::Hash("a", "key"), DedupIndex::Hash("b", "key"));
  EXPECT_NE(DedupIndex::Hash("", ""), 0u);
}

TEST(DedupIndexTest, AKeyIsKnownForItsWindow) {
  DedupIndex index(kWindow);
  EXPECT_EQ(index.Find(7, 0), std::nullopt);
  index.Add(7, 1, /*edge_key=*/false, 0);
  EXPECT_EQ(index.Find(7, kWindow - 1), 1);
  EXPECT_EQ(index.Find(8, kWindow - 1), std::nullopt);
  EXPECT_EQ(index.Find(7, kWindow), std::nullopt);
  EXPECT_EQ(index.size(), 0u);
}

TEST(DedupIndexTest, AnEdgesOwnKeysLiveShorter) {
  DedupIndex index(kWindow);
  index.Add(7, 1, /*edge_key=*/true, 0);
  index.Add(8, 2, /*edge_key=*/false, 0);
  EXPECT_EQ(index.Find(7, DedupIndex::kEdgeWindowMs - 1), 1);
  EXPECT_EQ(index.Find(7, DedupIndex::kEdgeWindowMs), std::nullopt);
  EXPECT_EQ(index.Find(8, DedupIndex::kEdgeWindowMs), 2);
}

TEST(DedupIndexTest, AKeyThatCameAgainLivesAnew) {
  DedupIndex index(kWindow);
  index.Add(7, 1, false, 0);
  index.Remove(7);  // Its append failed.
  EXPECT_EQ(index.Find(7, 1), std::nullopt);
  index.Add(7, 2, false, 100);
  // The first entry's end is not the second one's.
  EXPECT_EQ(index.Find(7, kWindow), 2);
  EXPECT_EQ(index.Find(7, kWindow + 100), std::nullopt);
}

TEST(DedupIndexTest, TheOldestKeysGoBeyondTheBound) {
  DedupIndex index(kWindow, /*max_keys=*/3);
  for (int i = 1; i <= 5; ++i) index.Add(i, i, /*edge_key=*/false, i);
  index.Add(6, 6, /*edge_key=*/true, 5);  // A bound of each kind.
  EXPECT_EQ(index.Find(2, 6), std::nullopt);
  for (const int kept : {3, 4, 5, 6}) EXPECT_EQ(index.Find(kept, 6), kept);
}

TEST(DedupIndexTest, ForgetsWithoutBeingAsked) {
  DedupIndex index(1'000);
  for (int i = 1; i <= 100; ++i) index.Add(i, i, false, i * 100);
  EXPECT_EQ(index.size(), 10u);
}

}  // namespace
}  // namespace covet::eventlog
