#include "edge/role/transport_options.h"

#include <gtest/gtest.h>

#include "common/config/config.h"

namespace covet::edge {
namespace {

TEST(TransportOptionsTest, DefaultsAreTheSpecifications) {
  const auto options = TransportOptionsOf(config::DefaultConfig());
  ASSERT_TRUE(options.ok()) << options.status();
  EXPECT_EQ(options->bind_address, "0.0.0.0");
  EXPECT_EQ(options->port, 8000);
  EXPECT_GE(options->threads, 1u);
  EXPECT_EQ(options->idle_timeout_ms, 75'000);
  EXPECT_EQ(options->sweep_period_ms, 1'000);
  EXPECT_EQ(options->max_head_age_ms, 30'000);
  EXPECT_EQ(options->queue.max_bytes, size_t{1} << 20);
  EXPECT_EQ(options->queue.high_water_bytes, size_t{256} << 10);
  EXPECT_TRUE(options->compression);
  EXPECT_FALSE(options->proxy_protocol);
}

TEST(TransportOptionsTest, ShortTimesAreLookedAtOften) {
  config::Config config = config::DefaultConfig();
  config.mutable_edge()->mutable_heartbeat_interval()->set_seconds(0);
  config.mutable_edge()->mutable_heartbeat_interval()->set_nanos(100'000'000);
  const auto options = TransportOptionsOf(config);
  ASSERT_TRUE(options.ok());
  EXPECT_EQ(options->idle_timeout_ms, 250);
  EXPECT_EQ(options->sweep_period_ms, 25);
}

TEST(TransportOptionsTest, ListensOnAddresses) {
  config::Config config = config::DefaultConfig();
  config.mutable_edge()->set_listen("localhost:0");
  EXPECT_EQ(TransportOptionsOf(config)->bind_address, "127.0.0.1");
  config.mutable_edge()->set_listen("[::1]:9000");
  EXPECT_EQ(TransportOptionsOf(config)->bind_address, "::1");
  config.mutable_edge()->set_listen("example.com:80");
  EXPECT_FALSE(TransportOptionsOf(config).ok());
}

}  // namespace
}  // namespace covet::edge
