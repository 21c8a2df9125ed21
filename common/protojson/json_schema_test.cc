#include "common/protojson/json_schema.h"

#include <gtest/gtest.h>

#include <string>

#include "common/payload/json_scanner.h"
#include "common/protojson/schema.h"
#include "common/protojson/testing/test_schema.h"

namespace covet::protojson {
namespace {

std::string SchemaFor(const std::string& message, SchemaUse use) {
  static const auto schema = testing::TestSchema();
  const std::string json = JsonSchemaOf(schema->FindMessage(message)->descriptor(), use);
  EXPECT_TRUE(payload::ScanJson(json).ok()) << json;
  return json;
}

TEST(JsonSchemaTest, DescribesARecursiveMessage) {
  EXPECT_EQ(SchemaFor("test.Nested", SchemaUse::kParams),
            R"({"$schema":"https://json-schema.org/draft/2020-12/schema","title":"test.Nested",)"
            R"("type":"object","description":"A message that may hold itself.","properties":{)"
            R"("name":{"type":"string"},)"
            R"("count":{"type":"integer","minimum":-2147483648,"maximum":2147483647},)"
            R"("child":{"$ref":"#"},"children":{"type":"array","items":{"$ref":"#"}}},)"
            R"("additionalProperties":false})");
  EXPECT_NE(SchemaFor("test.Nested", SchemaUse::kResult)
                .find(R"("required":["name","count","children"])"),
            std::string::npos);
}

TEST(JsonSchemaTest, DescribesEveryKind) {
  const std::string params = SchemaFor("test.EveryKind", SchemaUse::kParams);
  const std::string result = SchemaFor("test.EveryKind", SchemaUse::kResult);
  const auto has = [](const std::string& schema, const std::string& part) {
    return schema.find(part) != std::string::npos;
  };
  EXPECT_TRUE(has(params, R"("int64_value":{"type":["integer","string"],"pattern":"^-?[0-9]+$"})"));
  EXPECT_TRUE(has(result, R"("int64_value":{"type":"string","pattern":"^-?[0-9]+$"})"));
  EXPECT_TRUE(has(result, R"("description":"A comment of a field.")"));
  EXPECT_TRUE(has(result, R"("bytes_value":{"type":"string","contentEncoding":"base64"})"));
  EXPECT_TRUE(has(result, R"("status":{"anyOf":[{"enum":["STATUS_UNSPECIFIED","STATUS_OPEN",)"
                          R"("STATUS_CLOSED","STATUS_LOST"]},{"type":"integer"}]})"));
  EXPECT_TRUE(has(result, R"("nested":{"$ref":"#/$defs/test.Nested"})"));
  EXPECT_TRUE(has(result, R"("test.Nested":{"type":"object")"));
  EXPECT_TRUE(has(result, R"("string_map":{"type":"object","additionalProperties":)"
                          R"({"type":"string"}})"));
  EXPECT_TRUE(has(result, R"("bool_map":{"type":"object","propertyNames":)"
                          R"({"enum":["true","false"]})"));
  EXPECT_TRUE(has(result, R"("timestamp":{"type":"string","format":"date-time"})"));
  EXPECT_TRUE(has(params, R"({"oneOf":[{"not":{"anyOf":[{"required":["choice_int32"]})"));
  EXPECT_FALSE(has(params, R"("required":["double_value")"));
  EXPECT_TRUE(has(result, R"("required":["double_value")"));
}

TEST(JsonSchemaTest, RequiresWhatProto2Requires) {
  const std::string params = SchemaFor("test.legacy.Legacy", SchemaUse::kParams);
  EXPECT_NE(params.find(R"("required":["id"])"), std::string::npos) << params;
}

}  // namespace
}  // namespace covet::protojson
