#include "edge/session/settings.h"

#include <gtest/gtest.h>

#include "common/config/config.h"

namespace covet::edge {
namespace {

using limits::Rate;

constexpr int64_t kHourMs = 3'600'000;

TEST(SettingsTest, DefaultsAreTheProtocols) {
  const SessionSettings settings = SettingsOf(config::DefaultConfig());
  EXPECT_EQ(settings.heartbeat_interval_ms, 30'000);
  EXPECT_EQ(settings.auth_expiring_before_ms, 60'000);
  EXPECT_EQ(settings.resume_window_ms, 24 * kHourMs);
  EXPECT_EQ(settings.max_message_bytes, size_t{1} << 20);
  EXPECT_EQ(settings.decode.json_depth, 64);
  EXPECT_EQ(settings.decode.room_payload, size_t{64} << 10);
  EXPECT_EQ(settings.decode.rpc_params, size_t{1} << 20);
  EXPECT_EQ(settings.decode.chunk, size_t{512} << 10);
  EXPECT_EQ(settings.messages, Rate::Of(100, absl::Minutes(1)));
  EXPECT_EQ(settings.rpc_calls, Rate::Of(50, absl::Minutes(1)));
  EXPECT_EQ(settings.rooms_per_connection, 100u);
  EXPECT_EQ(settings.calls_per_connection, 32u);
  EXPECT_EQ(settings.max_connections, 1'000);
  EXPECT_TRUE(settings.allowed_origins.empty());

  const ConnectionLimits& shown = settings.limits;
  EXPECT_EQ(shown.message_bytes, 1 << 20);
  EXPECT_EQ(shown.room_payload_bytes, 64 << 10);
  EXPECT_EQ(shown.record_bytes, 64 << 10);
  EXPECT_EQ(shown.chunk_bytes, 512 << 10);
  EXPECT_EQ(shown.rpc_params_bytes, 1 << 20);
  EXPECT_EQ(shown.rpc_result_bytes, 1 << 20);
  EXPECT_EQ(shown.json_depth, 64);
  EXPECT_EQ(shown.id_length, 128);
  EXPECT_EQ(shown.outbound_queue_bytes, 1 << 20);
  EXPECT_EQ(shown.outbound_queue_ms, 30'000);
  EXPECT_EQ(shown.rooms, 100);
  EXPECT_EQ(shown.subscriptions, 100);
  EXPECT_EQ(shown.calls_in_flight, 32);
  EXPECT_EQ(shown.connections, 1'000);
  EXPECT_EQ(shown.connection_attempts_per_minute, 10);
  EXPECT_EQ(shown.messages_per_minute, 100);
  EXPECT_EQ(shown.rpc_calls_per_minute, 50);
  EXPECT_EQ(shown.uploads_per_hour, 10);

  const limits::AttemptLimits attempts = AttemptLimitsOf(config::DefaultConfig());
  EXPECT_EQ(attempts.valid, Rate::Of(10, absl::Minutes(1)));
  EXPECT_EQ(attempts.failed, Rate::Of(10, absl::Minutes(1)));
  EXPECT_EQ(attempts.address, Rate::Of(1'000, absl::Minutes(1)));
}

// Many defaults are alike: with values that differ nothing can stand in another's place.
TEST(SettingsTest, EachValueIsTheConfigurationsOwn) {
  config::Config config = config::DefaultConfig();
  config.mutable_edge()->set_max_message_bytes(5'001);
  config.mutable_edge()->set_outbound_queue_bytes(70'000);
  config.mutable_edge()->mutable_outbound_head_age()->set_seconds(7);
  config.mutable_edge()->mutable_auth_expiring_before()->set_seconds(8);
  config.mutable_edge()->mutable_heartbeat_interval()->set_seconds(9);
  config::v1::LimitsConfig& limits = *config.mutable_limits();
  limits.set_rooms_per_connection(1);
  limits.set_subscriptions_per_connection(2);
  limits.set_calls_per_connection(3);
  limits.set_payload_bytes(4'001);
  limits.set_chunk_bytes(4'002);
  limits.set_rpc_bytes(4'003);
  limits.mutable_connection_attempts()->set_count(11);
  limits.mutable_failed_attempts()->set_count(12);
  limits.mutable_address_attempts()->set_count(13);
  limits.mutable_messages()->set_count(14);
  limits.mutable_rpc_calls()->set_count(15);
  limits.mutable_uploads()->set_count(16);

  const SessionSettings settings = SettingsOf(config);
  EXPECT_EQ(settings.heartbeat_interval_ms, 9'000);
  EXPECT_EQ(settings.auth_expiring_before_ms, 8'000);
  EXPECT_EQ(settings.max_message_bytes, 5'001u);
  EXPECT_EQ(settings.decode.room_payload, 4'001u);
  EXPECT_EQ(settings.decode.chunk, 4'002u);
  EXPECT_EQ(settings.decode.rpc_params, 4'003u);
  EXPECT_EQ(settings.rooms_per_connection, 1u);
  EXPECT_EQ(settings.calls_per_connection, 3u);
  EXPECT_EQ(settings.messages, Rate::Of(14, absl::Minutes(1)));
  EXPECT_EQ(settings.rpc_calls, Rate::Of(15, absl::Minutes(1)));
  const ConnectionLimits& shown = settings.limits;
  EXPECT_EQ(shown.message_bytes, 5'001);
  EXPECT_EQ(shown.room_payload_bytes, 4'001);
  EXPECT_EQ(shown.record_bytes, 4'001);
  EXPECT_EQ(shown.chunk_bytes, 4'002);
  EXPECT_EQ(shown.rpc_params_bytes, 4'003);
  EXPECT_EQ(shown.rpc_result_bytes, 4'003);
  EXPECT_EQ(shown.outbound_queue_bytes, 70'000);
  EXPECT_EQ(shown.outbound_queue_ms, 7'000);
  EXPECT_EQ(shown.rooms, 1);
  EXPECT_EQ(shown.subscriptions, 2);
  EXPECT_EQ(shown.calls_in_flight, 3);
  EXPECT_EQ(shown.connection_attempts_per_minute, 11);
  EXPECT_EQ(shown.messages_per_minute, 14);
  EXPECT_EQ(shown.rpc_calls_per_minute, 15);
  EXPECT_EQ(shown.uploads_per_hour, 16);
  const limits::AttemptLimits attempts = AttemptLimitsOf(config);
  EXPECT_EQ(attempts.valid, Rate::Of(11, absl::Minutes(1)));
  EXPECT_EQ(attempts.failed, Rate::Of(12, absl::Minutes(1)));
  EXPECT_EQ(attempts.address, Rate::Of(13, absl::Minutes(1)));
}

TEST(SettingsTest, UnlimitedLiftsRatesConnectionsAndAbuse) {
  config::Config config = config::DefaultConfig();
  config.mutable_limits()->set_unlimited(true);
  const SessionSettings settings = SettingsOf(config);
  EXPECT_EQ(settings.messages, Rate::Unlimited());
  EXPECT_EQ(settings.rpc_calls, Rate::Unlimited());
  EXPECT_EQ(settings.max_connections, 0);
  EXPECT_EQ(settings.abuse.close_after, 0);
  EXPECT_EQ(settings.abuse.block_after, 0);
  EXPECT_EQ(settings.limits.connections, 0);
  EXPECT_EQ(settings.limits.messages_per_minute, 0);
  EXPECT_EQ(settings.limits.uploads_per_hour, 0);
  EXPECT_EQ(settings.limits.rooms, 100);  // No rate.
  EXPECT_EQ(AttemptLimitsOf(config).address, Rate::Unlimited());
}

TEST(SettingsTest, TheResumeWindowIsTheShorterOfTheDefaultAges) {
  const auto window = [](int rooms_hours, int streams_hours, const char* target = "all",
                         const char* streams_peer = "") {
    config::Config config = config::DefaultConfig();
    config.set_targets(0, target);
    config.mutable_peers()->set_streams(streams_peer);
    config.mutable_rooms()->mutable_default_retention()->mutable_max_age()->set_seconds(
        rooms_hours * 3'600);
    config.mutable_streams()->mutable_default_retention()->mutable_max_age()->set_seconds(
        streams_hours * 3'600);
    return SettingsOf(config).resume_window_ms / kHourMs;
  };
  EXPECT_EQ(window(2, 3), 2);
  EXPECT_EQ(window(3, 2), 2);
  // 0 bounds nothing.
  EXPECT_EQ(window(0, 2), 2);
  EXPECT_EQ(window(2, 0), 2);
  EXPECT_EQ(window(0, 0), 0);
  // Streams count where there are any.
  EXPECT_EQ(window(3, 2, "edge"), 3);
  EXPECT_EQ(window(3, 2, "edge", "streams:8001"), 2);
}

}  // namespace
}  // namespace covet::edge
