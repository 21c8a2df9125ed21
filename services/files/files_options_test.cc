#include "services/files/files_options.h"

#include <gtest/gtest.h>

#include "common/config/config.h"

namespace covet::files {
namespace {

constexpr int64_t kDayMs = 86'400'000;

TEST(FilesOptionsTest, DefaultsAreTheProtocols) {
  const FilesOptions options = OptionsFrom(config::DefaultConfig());
  EXPECT_EQ(options.max_chunk_bytes, 512 << 10);
  EXPECT_EQ(options.upload_expiry_ms, kDayMs);
  EXPECT_EQ(options.remember_ms, kDayMs);
  EXPECT_EQ(options.url_ttl_ms, 3'600'000);
  EXPECT_EQ(options.retention_ms, 0);
  EXPECT_EQ(options.uploads, limits::Rate::Of(10, absl::Hours(1)));
  EXPECT_EQ(options.json_depth, 64);
}

TEST(FilesOptionsTest, TheWindowIsAboutAMebibyteOfChunks) {
  const FilesOptions options = OptionsFrom(config::DefaultConfig());
  EXPECT_EQ(options.WindowOf(64'000), 16);
  EXPECT_EQ(options.WindowOf(options.max_chunk_bytes), 2);
  EXPECT_EQ(options.WindowOf(1 << 20), 2);
  EXPECT_EQ(options.WindowOf(16 << 10), 64);
  EXPECT_EQ(options.WindowOf(1), 64);
}

// Some defaults are alike: with values that differ nothing can stand in another's place.
TEST(FilesOptionsTest, EachValueIsTheConfigurationsOwn) {
  config::Config config = config::DefaultConfig();
  config::v1::FilesConfig& files = *config.mutable_files();
  files.set_public_url("https://files.example.com//");
  files.mutable_url_ttl()->set_seconds(1);
  files.mutable_upload_expiry()->set_seconds(2);
  files.mutable_remember_uploads()->set_seconds(3);
  files.mutable_retention()->set_seconds(4);
  files.set_window_bytes(5'000);
  config.mutable_limits()->set_chunk_bytes(6'000);
  config.mutable_limits()->set_json_depth(7);
  config.mutable_limits()->mutable_uploads()->set_count(8);

  const FilesOptions options = OptionsFrom(config);
  EXPECT_EQ(options.public_url, "https://files.example.com");
  EXPECT_EQ(options.url_ttl_ms, 1'000);
  EXPECT_EQ(options.upload_expiry_ms, 2'000);
  EXPECT_EQ(options.remember_ms, 3'000);
  EXPECT_EQ(options.retention_ms, 4'000);
  EXPECT_EQ(options.window_bytes, 5'000);
  EXPECT_EQ(options.max_chunk_bytes, 6'000);
  EXPECT_EQ(options.json_depth, 7);
  EXPECT_EQ(options.uploads, limits::Rate::Of(8, absl::Hours(1)));
  config.mutable_limits()->set_unlimited(true);
  EXPECT_EQ(OptionsFrom(config).uploads, limits::Rate::Unlimited());
}

}  // namespace
}  // namespace covet::files
