#include "common/base/proto_time.h"

#include <google/protobuf/duration.pb.h>
#include <google/protobuf/timestamp.pb.h>
#include <gtest/gtest.h>

#include <limits>

namespace covet {
namespace {

int64_t MillisOf(int64_t seconds, int32_t nanos) {
  google::protobuf::Duration duration;
  duration.set_seconds(seconds);
  duration.set_nanos(nanos);
  return Millis(duration);
}

TEST(ProtoTimeTest, RoundsTowardsZero) {
  EXPECT_EQ(MillisOf(0, 0), 0);
  EXPECT_EQ(MillisOf(1, 999'999), 1'000);
  EXPECT_EQ(MillisOf(1, 1'000'000), 1'001);
  EXPECT_EQ(MillisOf(0, -999'999), 0);
  EXPECT_EQ(MillisOf(-1, -1'500'000), -1'001);
  // Before 1970 a Timestamp's nanoseconds count forwards all the same.
  google::protobuf::Timestamp timestamp;
  timestamp.set_seconds(-1);
  timestamp.set_nanos(500'000'000);
  EXPECT_EQ(Millis(timestamp), -500);
}

TEST(ProtoTimeTest, IsBoundedWhateverAPeerSends) {
  EXPECT_EQ(MillisOf(std::numeric_limits<int64_t>::max(), 0), 315'576'000'000'000);
  EXPECT_EQ(MillisOf(std::numeric_limits<int64_t>::min(), 0), -315'576'000'000'000);
}

}  // namespace
}  // namespace covet
