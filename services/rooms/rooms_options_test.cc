#include "services/rooms/rooms_options.h"

#include <gtest/gtest.h>

#include "common/config/config.h"

namespace covet::rooms {
namespace {

constexpr int64_t kDayMs = 86'400'000;

TEST(RoomsOptionsTest, DefaultsAreTheProtocols) {
  const RoomsOptions options = OptionsFrom(config::DefaultConfig());
  EXPECT_EQ(options.default_retention.max_age_ms, kDayMs);
  EXPECT_EQ(options.default_retention.max_count, 10'000);
  EXPECT_EQ(options.presence_grace_ms, 5'000);
  EXPECT_EQ(options.presence_count_threshold, 200);
  EXPECT_EQ(options.metrics_interval_ms, 5'000);
  EXPECT_EQ(options.lease_ms, 10'000);
  EXPECT_EQ(options.dedup_window_ms, 600'000);
  EXPECT_EQ(options.max_payload_bytes, 64 << 10);
  EXPECT_EQ(options.max_pending_notifications, 1'000);
  EXPECT_EQ(options.notification_ttl_ms, kDayMs);
  EXPECT_EQ(options.notification_window_bytes, 128 << 10);
}

// Some defaults are alike: with values that differ nothing can stand in another's place.
TEST(RoomsOptionsTest, EachValueIsTheConfigurationsOwn) {
  config::Config config = config::DefaultConfig();
  config::v1::RoomsConfig& rooms = *config.mutable_rooms();
  rooms.mutable_presence_grace()->set_seconds(1);
  rooms.set_presence_count_threshold(2);
  rooms.mutable_metrics_interval()->set_seconds(3);
  rooms.mutable_lease()->set_seconds(4);
  rooms.mutable_dedup_window()->set_seconds(5);
  rooms.mutable_default_retention()->mutable_max_age()->set_seconds(6);
  rooms.mutable_default_retention()->set_max_count(7);
  rooms.mutable_default_retention()->set_max_bytes(8);
  config.mutable_limits()->set_payload_bytes(9);
  config::v1::RoomPatternConfig& pattern = *rooms.add_patterns();
  pattern.set_pattern("p_*");
  pattern.mutable_retention()->set_max_count(10);
  pattern.set_durability(v1::DURABILITY_MEMORY);
  pattern.mutable_ephemeral_ttl()->set_seconds(11);

  const RoomsOptions options = OptionsFrom(config);
  EXPECT_EQ(options.presence_grace_ms, 1'000);
  EXPECT_EQ(options.presence_count_threshold, 2);
  EXPECT_EQ(options.metrics_interval_ms, 3'000);
  EXPECT_EQ(options.lease_ms, 4'000);
  EXPECT_EQ(options.dedup_window_ms, 5'000);
  EXPECT_EQ(options.default_retention.max_age_ms, 6'000);
  EXPECT_EQ(options.default_retention.max_count, 7);
  EXPECT_EQ(options.default_retention.max_bytes, 8);
  EXPECT_EQ(options.max_payload_bytes, 9);
  ASSERT_EQ(options.patterns.size(), 1u);
  EXPECT_EQ(options.patterns[0].glob, "p_*");
  EXPECT_EQ(options.patterns[0].retention.max_count, 10);
  EXPECT_TRUE(options.patterns[0].memory);
  EXPECT_EQ(options.patterns[0].idle_ttl_ms, 11'000);
}

}  // namespace
}  // namespace covet::rooms
