#include "services/rooms/domain/record_cache.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

namespace covet::rooms {
namespace {

RecordCache::RecordPtr Record(size_t bytes) {
  return std::make_shared<const std::string>(bytes, 'x');
}

TEST(RecordCacheTest, HoldsTheNewest) {
  RecordCache cache(3, 1'000);
  EXPECT_TRUE(cache.empty());
  EXPECT_FALSE(cache.Covers(0));
  for (int64_t offset = 7; offset <= 10; ++offset) cache.Add(offset, Record(offset));
  EXPECT_EQ(cache.first_offset(), 8);
  EXPECT_EQ(cache.At(8)->size(), 8u);
  EXPECT_EQ(cache.At(10)->size(), 10u);
  EXPECT_EQ(cache.bytes(), 27u);
}

TEST(RecordCacheTest, CoversWhatLiesBehindAnOffset) {
  RecordCache cache(3, 1'000);
  for (int64_t offset = 1; offset <= 5; ++offset) cache.Add(offset, Record(1));
  EXPECT_FALSE(cache.Covers(1));
  EXPECT_TRUE(cache.Covers(2));
  EXPECT_TRUE(cache.Covers(5));
}

TEST(RecordCacheTest, IsBoundedInBytesButKeepsOne) {
  RecordCache cache(100, 10);
  cache.Add(1, Record(4));
  cache.Add(2, Record(6));
  EXPECT_EQ(cache.bytes(), 10u);
  cache.Add(3, Record(1));
  EXPECT_EQ(cache.first_offset(), 2);
  cache.Add(4, Record(50));
  EXPECT_EQ(cache.first_offset(), 4);
  EXPECT_EQ(cache.bytes(), 50u);
}

TEST(RecordCacheTest, BeginsAnewAnywhere) {
  RecordCache cache(3, 1'000);
  cache.Add(1, Record(5));
  cache.Clear();
  EXPECT_TRUE(cache.empty());
  EXPECT_EQ(cache.bytes(), 0u);
  cache.Add(40, Record(2));
  EXPECT_EQ(cache.first_offset(), 40);
  EXPECT_FALSE(cache.Covers(38));
  EXPECT_TRUE(cache.Covers(39));
}

}  // namespace
}  // namespace covet::rooms
