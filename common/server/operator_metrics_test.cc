#include "common/server/operator_metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <ctime>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "common/config/config.h"

namespace covet::server {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr int64_t kDay = 86'400;

config::Config WithTargets(const std::string& target) {
  config::Config config;
  config.add_targets(target);
  config.mutable_storage()->set_data_dir(testing::TempDir());
  return config;
}

std::string ShownFor(const config::Config& config) {
  metrics::Registry registry;
  const auto registrations = AddOperatorMetrics(&registry, config);
  return registry.TextExposition();
}

TEST(OperatorMetricsTest, RolesThatKeepDataShowTheirDisk) {
  for (const char* role : {"rooms", "streams", "files", "all"}) {
    const std::string shown = ShownFor(WithTargets(role));
    EXPECT_THAT(shown, HasSubstr("\ncovet_storage_size_bytes ")) << role;
    EXPECT_THAT(shown, HasSubstr("\ncovet_storage_free_bytes ")) << role;
    EXPECT_THAT(shown, Not(HasSubstr("\ncovet_storage_size_bytes 0\n"))) << role;
  }
  EXPECT_THAT(ShownFor(WithTargets("edge")), Not(HasSubstr("covet_storage")));
  EXPECT_THAT(ShownFor(WithTargets("rpc")), Not(HasSubstr("covet_storage")));
}

TEST(OperatorMetricsTest, AFolderThatIsNotThereIsNoFullDisk) {
  config::Config config = WithTargets("rooms");
  config.mutable_storage()->set_data_dir(testing::TempDir() + "/there/is/none");
  EXPECT_THAT(ShownFor(config), HasSubstr("\ncovet_storage_free_bytes Nan\n"));
}

TEST(OperatorMetricsTest, CertificatesShowTheirEnd) {
  const std::string file = testing::TempDir() + "/operator_metrics.pem";
  const std::string command =
      absl::StrCat("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes ",
                   "-days 3 -subj /CN=covet -keyout ", file, " -out ", file, " 2>/dev/null");
  const int64_t before = std::time(nullptr);
  ASSERT_EQ(std::system(command.c_str()), 0);
  const auto expiry = CertificateExpiry(file);
  ASSERT_TRUE(expiry.ok()) << expiry.status();
  EXPECT_GE(*expiry, before + 3 * kDay);
  EXPECT_LE(*expiry, std::time(nullptr) + 3 * kDay);

  config::Config config = WithTargets("edge");
  config.mutable_grpc()->mutable_tls()->set_cert_file(file);
  const std::string shown = ShownFor(config);
  EXPECT_THAT(shown, HasSubstr("covet_certificate_expiry_timestamp_seconds{use=\"grpc\"} "));
  EXPECT_THAT(shown, Not(HasSubstr("use=\"edge\"")));

  std::ofstream(file) << "no certificate";
  EXPECT_FALSE(CertificateExpiry(file).ok());
  EXPECT_THAT(ShownFor(config), Not(HasSubstr("covet_certificate")));
}

}  // namespace
}  // namespace covet::server
