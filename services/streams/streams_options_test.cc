#include "services/streams/streams_options.h"

#include <gtest/gtest.h>

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/base/manual_clock.h"

namespace covet::streams {
namespace {

config::v1::Config WithRequest(int members) {
  config::v1::Config config;
  config::v1::StreamResourceConfig& resource = *config.mutable_streams()->add_resources();
  resource.set_type("events");
  resource.set_id("stock");
  config::v1::BackendStreamSourceConfig& source = *resource.mutable_backend_stream();
  source.set_backend("shop");
  source.set_method("orders.watch_stock");
  for (int i = 0; i < members; ++i) {
    (*source.mutable_request()->mutable_fields())[absl::StrCat("field", i)].set_number_value(i);
  }
  return config;
}

// A resource whose source_config differs is closed and begins anew.
TEST(StreamsOptionsTest, EqualConfigurationsHaveOneSourceConfig) {
  const ManualClock clock;
  const std::unique_ptr<backends::Backends> backends = *backends::Backends::Create({}, {});
  // Maps have an order of their own in each object: they all live until the end.
  std::vector<config::v1::Config> loads(50, config::v1::Config());
  std::set<std::string> texts;
  for (config::v1::Config& load : loads) {
    load = WithRequest(8);
    const auto definitions = DefinitionsFrom(load, {clock, backends.get()});
    ASSERT_TRUE(definitions.ok()) << definitions.status();
    ASSERT_EQ(definitions->size(), 1u);
    texts.insert(definitions->front().source_config);
  }
  EXPECT_EQ(texts.size(), 1u);
  const auto other = DefinitionsFrom(WithRequest(7), {clock, backends.get()});
  ASSERT_TRUE(other.ok()) << other.status();
  EXPECT_FALSE(texts.contains(other->front().source_config));
}

}  // namespace
}  // namespace covet::streams
