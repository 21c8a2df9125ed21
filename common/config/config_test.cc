#include "common/config/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

#include "common/config/defaults.h"
#include "common/config/formats.h"
#include "common/config/validate.h"
#include "common/config/values.h"

namespace covet::config {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr int64_t kDayMs = 86'400'000;

TEST(ValuesTest, Durations) {
  for (const char* text : {"250ms", "5s", "90s", "24h", "0s", "10m"}) {
    ASSERT_TRUE(ParseDuration(text).ok()) << text;
    EXPECT_EQ(FormatDuration(*ParseDuration(text)), text);
  }
  EXPECT_EQ(Nanos(*ParseDuration("1m30s")), 90'000'000'000);
  EXPECT_EQ(Millis(*ParseDuration("1500us")), 1);
  for (const char* text : {"5", "", "s", "5 parsecs", "inf", "1000000000h"}) {
    EXPECT_FALSE(ParseDuration(text).ok()) << text;
  }
}

TEST(ValuesTest, Sizes) {
  EXPECT_EQ(*ParseSize("1000"), 1000);
  EXPECT_EQ(*ParseSize("64KiB"), 65536);
  EXPECT_EQ(*ParseSize("1 MiB"), 1 << 20);
  EXPECT_EQ(*ParseSize("2GB"), 2'000'000'000);
  EXPECT_EQ(FormatSize(65536), "64KiB");
  EXPECT_EQ(FormatSize(65537), "65537");
  EXPECT_EQ(FormatSize(0), "0");
  for (const char* text : {"", "-1", "KiB", "1.5MiB", "1kib", "99999999999GiB"}) {
    EXPECT_FALSE(ParseSize(text).ok()) << text;
  }
}

TEST(ValuesTest, Rates) {
  for (const char* text : {"100/min", "10/h", "5/s", "3/250ms"}) {
    ASSERT_TRUE(ParseRate(text).ok()) << text;
    EXPECT_EQ(FormatRate(*ParseRate(text)), text);
  }
  EXPECT_EQ(Nanos(ParseRate("7/2m")->per()), 120'000'000'000);
  for (const char* text : {"100", "/min", "x/min", "10/fortnight"}) {
    EXPECT_FALSE(ParseRate(text).ok()) << text;
  }
}

TEST(ValuesTest, Timestamps) {
  EXPECT_EQ(FormatTimestamp(*ParseTimestamp("2025-09-01T10:00:00Z")), "2025-09-01T10:00:00Z");
  EXPECT_EQ(FormatTimestamp(*ParseTimestamp("2025-09-01T12:00:00.5+02:00")),
            "2025-09-01T10:00:00.5Z");
  EXPECT_FALSE(ParseTimestamp("yesterday").ok());
}

TEST(FormatsTest, Accept) {
  const std::vector<std::pair<v1::Format, std::vector<std::string>>> good{
      {v1::FORMAT_LISTEN_ADDRESS, {"0.0.0.0:8000", "localhost:0", "[::1]:65535"}},
      {v1::FORMAT_PEER_ADDRESS, {"rooms:8001", "10.0.0.1:1"}},
      {v1::FORMAT_NETWORK, {"10.0.0.0/8", "192.168.1.1", "2001:db8::/32", "::1"}},
      {v1::FORMAT_ID, {"user:1@x.y-z_", std::string(128, 'a')}},
      {v1::FORMAT_GLOB, {"lobby_*", "*"}},
      {v1::FORMAT_SHA256, {std::string(64, 'A')}},
      {v1::FORMAT_ORIGIN,
       {"https://a.example", "http://localhost:3000", "https://*.example.com", "*"}},
      {v1::FORMAT_TARGET, {"all", "edge"}}};
  for (const auto& [format, texts] : good) {
    for (const std::string& text : texts) EXPECT_EQ(CheckFormat(format, text), "") << text;
  }
}

TEST(FormatsTest, Refuse) {
  const std::vector<std::pair<v1::Format, std::vector<std::string>>> bad{
      {v1::FORMAT_LISTEN_ADDRESS, {"8000", ":8000", "a:65536", "a:-1", "::1:80", "[127.0.0.1]:1"}},
      {v1::FORMAT_PEER_ADDRESS, {"rooms:0", "rooms"}},
      {v1::FORMAT_NETWORK, {"10.0.0.0/33", "10.0.0", "::/129", "1.2.3.4/", "example.com"}},
      {v1::FORMAT_ID, {"a b", "a*", std::string(129, 'a')}},
      {v1::FORMAT_GLOB, {"a b"}},
      {v1::FORMAT_SHA256, {std::string(63, 'a'), std::string(64, 'g')}},
      {v1::FORMAT_ORIGIN, {"example.com", "https://a/b", "://a", "https://"}},
      {v1::FORMAT_TARGET, {"", "room"}}};
  for (const auto& [format, texts] : bad) {
    for (const std::string& text : texts) EXPECT_NE(CheckFormat(format, text), "") << text;
  }
}

TEST(DefaultsTest, AreWhatTheSpecificationSays) {
  const Config config = DefaultConfig();
  EXPECT_THAT(config.targets(), ElementsAre("all"));
  EXPECT_FALSE(config.limits().unlimited());

  const v1::EdgeConfig& edge = config.edge();
  EXPECT_EQ(edge.listen(), "0.0.0.0:8000");
  EXPECT_FALSE(edge.has_tls());
  EXPECT_EQ(edge.max_connections(), 1000);
  EXPECT_EQ(edge.max_message_bytes(), 1 << 20);
  EXPECT_EQ(Millis(edge.heartbeat_interval()), 30'000);
  EXPECT_EQ(edge.outbound_queue_bytes(), 1 << 20);
  EXPECT_EQ(Millis(edge.outbound_head_age()), 30'000);
  EXPECT_TRUE(edge.compression());
  EXPECT_EQ(Millis(edge.auth_expiring_before()), 60'000);

  const v1::LimitsConfig& limits = config.limits();
  EXPECT_EQ(FormatRate(limits.connection_attempts()), "10/min");
  EXPECT_EQ(FormatRate(limits.failed_attempts()), "10/min");
  EXPECT_EQ(FormatRate(limits.address_attempts()), "1000/min");
  EXPECT_EQ(FormatRate(limits.messages()), "100/min");
  EXPECT_EQ(FormatRate(limits.rpc_calls()), "50/min");
  EXPECT_EQ(FormatRate(limits.uploads()), "10/h");
  EXPECT_EQ(limits.rooms_per_connection(), 100);
  EXPECT_EQ(limits.subscriptions_per_connection(), 100);
  EXPECT_EQ(limits.calls_per_connection(), 32);
  EXPECT_EQ(limits.payload_bytes(), 64 << 10);
  EXPECT_EQ(limits.chunk_bytes(), 512 << 10);
  EXPECT_EQ(limits.rpc_bytes(), 1 << 20);
  EXPECT_EQ(limits.json_depth(), 64);

  const v1::RoomsConfig& rooms = config.rooms();
  EXPECT_EQ(Millis(rooms.default_retention().max_age()), kDayMs);
  EXPECT_EQ(rooms.default_retention().max_count(), 10'000);
  EXPECT_EQ(Millis(rooms.presence_grace()), 5'000);
  EXPECT_EQ(rooms.presence_count_threshold(), 200);
  EXPECT_EQ(Millis(rooms.metrics_interval()), 5'000);
  EXPECT_EQ(Millis(rooms.lease()), 10'000);
  EXPECT_EQ(Millis(rooms.dedup_window()), 600'000);
  v1::RoomPatternConfig pattern;
  ApplyDefaults(&pattern);
  EXPECT_EQ(Millis(pattern.ephemeral_ttl()), kDayMs);
  EXPECT_EQ(Millis(config.streams().default_retention().max_age()), kDayMs);

  const v1::FilesConfig& files = config.files();
  EXPECT_EQ(Millis(files.upload_expiry()), kDayMs);
  EXPECT_EQ(Millis(files.remember_uploads()), kDayMs);
  EXPECT_EQ(Millis(files.url_ttl()), 3'600'000);
  EXPECT_EQ(files.window_bytes(), 1 << 20);

  EXPECT_EQ(config.grpc().listen(), "127.0.0.1:8001");
  EXPECT_EQ(config.admin().listen(), "127.0.0.1:8002");
}

TEST(DefaultsTest, AreValid) {
  std::vector<std::string> errors;
  Validate(DefaultConfig(), {}, &errors);
  EXPECT_THAT(errors, IsEmpty());
}

TEST(RolesTest, AllStandsForEveryRole) {
  Config config = DefaultConfig();
  EXPECT_THAT(RolesOf(config), ElementsAre("rooms", "streams", "rpc", "files", "edge"));
  EXPECT_TRUE(RunsEverything(config));
  config.clear_targets();
  config.add_targets("edge");
  config.add_targets("rooms");
  EXPECT_THAT(RolesOf(config), ElementsAre("rooms", "edge"));
  EXPECT_FALSE(RunsEverything(config));
}

TEST(MemoryBudgetTest, IsWhatIsSetOrHalfOfWhatThereIs) {
  Config config = DefaultConfig();
  EXPECT_GT(MemoryBudget(config), 1 << 20);
  config.mutable_memory()->set_budget_bytes(12345);
  EXPECT_EQ(MemoryBudget(config), 12345);
}

TEST(SecretTest, ComesFromValueEnvironmentOrFile) {
  v1::Secret secret;
  EXPECT_EQ(ResolveSecret(secret).status().code(), absl::StatusCode::kInvalidArgument);
  secret.set_value("v");
  EXPECT_EQ(*ResolveSecret(secret), "v");
  setenv("CONFIG_TEST_SECRET", "e", 1);
  secret.set_env("CONFIG_TEST_SECRET");
  EXPECT_EQ(*ResolveSecret(secret), "e");
  secret.set_env("CONFIG_TEST_NO_SUCH_VARIABLE");
  EXPECT_THAT(std::string(ResolveSecret(secret).status().message()),
              HasSubstr("CONFIG_TEST_NO_SUCH_VARIABLE is not set"));
  const std::string path = testing::TempDir() + "/secret";
  std::ofstream(path) << "f\n\n";
  secret.set_file(path);
  EXPECT_EQ(*ResolveSecret(secret), "f\n");
  std::ofstream(path) << "\n";
  EXPECT_EQ(ResolveSecret(secret).status().code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace covet::config
