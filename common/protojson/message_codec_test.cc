#include "common/protojson/message_codec.h"

#include <gtest/gtest.h>

#include <string>

#include "common/errors/error.h"
#include "common/protojson/schema.h"
#include "common/protojson/testing/test_schema.h"

namespace covet::protojson {
namespace {

const Schema& TestSchema() {
  static const auto schema = testing::TestSchema();
  return *schema;
}

const MessageCodec& Codec(std::string_view name) { return *TestSchema().FindMessage(name); }

// Through the wire and back.
std::string RoundTrip(std::string_view message, std::string_view json) {
  std::string wire, out;
  absl::Status status = Codec(message).JsonToWire(json, "params", &wire);
  if (status.ok()) status = Codec(message).WireToJson(wire, &out);
  return status.ok() ? out : std::string(status.message());
}

// What comes back of `json` after what all fields without presence print.
std::string Field(std::string_view json, const std::string& name) {
  const std::string out = RoundTrip("test.EveryKind", json);
  const size_t at = out.find("\"" + name + "\":");
  if (at == out.npos) return out.starts_with("{") ? "absent" : out;
  // Up to the next field on the top level.
  size_t end = at + name.size() + 3;
  int depth = 0;
  bool in_string = false;
  for (size_t i = end; i < out.size(); ++i) {
    if (in_string) {
      if (out[i] == '\\')
        ++i;
      else if (out[i] == '"')
        in_string = false;
      continue;
    }
    if (out[i] == '"') in_string = true;
    if (out[i] == '{' || out[i] == '[') ++depth;
    if ((out[i] == ',' && depth == 0) || ((out[i] == '}' || out[i] == ']') && --depth < 0)) {
      return out.substr(end, i - end);
    }
  }
  return "unterminated: " + out;
}

ErrorDetails Refused(std::string_view json, std::string_view message = "test.EveryKind") {
  std::string wire;
  const absl::Status status = Codec(message).JsonToWire(json, "params", &wire);
  if (status.ok()) return {{"field", "accepted"}};
  EXPECT_EQ(CodeOf(status), ErrorCode::kInvalidArgument);
  return DetailsOf(status);
}

std::string RefusedField(std::string_view json, std::string_view message = "test.EveryKind") {
  return Refused(json, message)["field"];
}

TEST(MessageCodecTest, CarriesATypicalMessage) {
  EXPECT_EQ(
      RoundTrip("test.Order",
                R"({"order_id":"o-1","customerId":"9007199254740993","total":12.5,"quantity":3,)"
                R"("express":true,"status":"STATUS_OPEN","createdAt":"2025-09-10T12:00:00Z",)"
                R"("tags":["a","b"],"address":{"street":"S","city":"C"}})"),
      R"({"order_id":"o-1","customer_id":"9007199254740993","total":12.5,"quantity":3,)"
      R"("express":true,"status":"STATUS_OPEN","created_at":"2025-09-10T12:00:00Z",)"
      R"("tags":["a","b"],"address":{"street":"S","city":"C","zip":""}})");
  EXPECT_EQ(RoundTrip("test.Order", "{}"),
            R"({"order_id":"","customer_id":"0","total":0,"quantity":0,"express":false,)"
            R"("status":"STATUS_UNSPECIFIED","tags":[]})");
}

TEST(MessageCodecTest, KeepsEveryInteger) {
  EXPECT_EQ(Field(R"({"int64_value":9223372036854775807})", "int64_value"),
            R"("9223372036854775807")");
  EXPECT_EQ(Field(R"({"int64_value":"-9223372036854775808"})", "int64_value"),
            R"("-9223372036854775808")");
  EXPECT_EQ(Field(R"({"uint64_value":18446744073709551615})", "uint64_value"),
            R"("18446744073709551615")");
  EXPECT_EQ(Field(R"({"int32_value":1.5e3})", "int32_value"), "1500");
  EXPECT_EQ(Field(R"({"int32_value":-2.0})", "int32_value"), "-2");
  EXPECT_EQ(RefusedField(R"({"int64_value":9223372036854775808})"), "params.int64_value");
  EXPECT_EQ(RefusedField(R"({"int32_value":1.5})"), "params.int32_value");
  EXPECT_EQ(RefusedField(R"({"uint32_value":-1})"), "params.uint32_value");
  EXPECT_EQ(RefusedField(R"({"double_value":9007199254740993})"), "params.double_value");
}

TEST(MessageCodecTest, NamesWhatIsWrong) {
  ErrorDetails details = Refused(R"({"nested":{"child":{"nmae":"x"}}})");
  EXPECT_EQ(details["field"], "params.nested.child.nmae");
  details = Refused(R"({"nested_list":[{},{"count":"many"}]})");
  EXPECT_EQ(details["field"], "params.nested_list[1].count");
  EXPECT_EQ(details["expected"], "an integer of 32 bits");
  EXPECT_EQ(details["received"], "\"many\"");
  details = Refused(R"({"string_value":12})");
  EXPECT_EQ(details["field"], "params.string_value");
  EXPECT_EQ(details["expected"], "a string");
  EXPECT_EQ(details["received"], "number");
  EXPECT_EQ(RefusedField(R"({"uint32_map":{"7":{"x y":1}}})"), R"(params.uint32_map.7["x y"])");
  EXPECT_EQ(RefusedField("[1]"), "params");
  EXPECT_EQ(RefusedField("{\"a\""), "params");
}

}  // namespace
}  // namespace covet::protojson
