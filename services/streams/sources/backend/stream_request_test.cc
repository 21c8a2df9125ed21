#include "services/streams/sources/backend/stream_request.h"

#include <gtest/gtest.h>

#include "common/payload/struct_json.h"

namespace covet::streams::backend {
namespace {

config::v1::BackendStreamSourceConfig Config(const std::string& request) {
  config::v1::BackendStreamSourceConfig config;
  EXPECT_TRUE(payload::JsonToStruct(request, config.mutable_request()));
  config.add_filter_fields("city");
  return config;
}

void AddCondition(v1::Filter* filter, const std::string& field, v1::Comparison comparison,
                  const std::string& value) {
  v1::FieldCondition* condition = filter->add_fields();
  condition->set_field(field);
  condition->set_comparison(comparison);
  condition->set_value(value);
}

TEST(StreamRequestTest, ConfigurationAlone) {
  EXPECT_EQ(*StreamRequest(Config("{}"), {}), "{}");
  EXPECT_EQ(*StreamRequest(Config(R"({"n":[1,{"x":null}]})"), {}), R"({"n":[1,{"x":null}]})");
  EXPECT_EQ(*StreamRequest({}, {}), "{}");
}

TEST(StreamRequestTest, FiltersFillTheFieldsThatAreNamed) {
  v1::Filter filter;
  AddCondition(&filter, "city", v1::COMPARISON_EQ, R"("Köln")");
  AddCondition(&filter, "other", v1::COMPARISON_EQ, "1");
  EXPECT_EQ(*StreamRequest(Config("{}"), filter), R"({"city":"Köln"})");
  EXPECT_EQ(*StreamRequest(Config(R"({"a":1,"city":"x"})"), filter), R"({"a":1,"city":"Köln"})");
}

TEST(StreamRequestTest, OnlyEqualityNamesAValue) {
  v1::Filter filter;
  AddCondition(&filter, "city", v1::COMPARISON_NE, R"("Köln")");
  EXPECT_EQ(*StreamRequest(Config("{}"), filter), "{}");
}

}  // namespace
}  // namespace covet::streams::backend
