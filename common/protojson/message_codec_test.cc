#include "common/protojson/message_codec.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "common/errors/error.h"
#include "common/payload/json_scanner.h"
#include "common/protojson/json_cursor.h"
#include "common/protojson/schema.h"
#include "common/protojson/testing/test_schema.h"

namespace covet::protojson {
namespace {

// clang-tidy 14 does not see its uses.
using std::string_literals::operator""s;  // NOLINT(misc-unused-using-decls)

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

std::string Print(std::string_view message, std::string_view wire) {
  std::string out;
  const absl::Status status = Codec(message).WireToJson(wire, &out);
  return status.ok() ? out : std::string(status.message());
}

// The member of an EveryKind that comes back of `json`.
std::string Field(std::string_view json, std::string_view name) {
  const std::string out = RoundTrip("test.EveryKind", json);
  if (!payload::ScanJson(out).ok()) return out;
  internal::JsonCursor in(out);
  for (bool more = in.Enter(); more; more = in.Next()) {
    std::string_view key;
    bool escaped;
    in.Key(&key, &escaped);
    const std::string_view value = in.Skip();
    if (key == name) return std::string(value);
  }
  return "absent";
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

TEST(MessageCodecTest, TakesBothSpellingsAndSpace) {
  EXPECT_EQ(Field(" {\n \"int32_value\" : 7 ,\t\"boolValue\" : true } ", "int32_value"), "7");
  EXPECT_EQ(Field(R"({"otherName":"x"})", "renamed"), R"("x")");
  EXPECT_EQ(Field(R"({"renamed":"x"})", "renamed"), R"("x")");
  EXPECT_EQ(Field(R"({"string\u005fvalue":"x"})", "string_value"), R"("x")");
}

TEST(MessageCodecTest, KeepsEveryInteger) {
  EXPECT_EQ(Field(R"({"int64_value":9223372036854775807})", "int64_value"),
            R"("9223372036854775807")");
  EXPECT_EQ(Field(R"({"int64_value":"-9223372036854775808"})", "int64_value"),
            R"("-9223372036854775808")");
  EXPECT_EQ(Field(R"({"uint64_value":18446744073709551615})", "uint64_value"),
            R"("18446744073709551615")");
  EXPECT_EQ(Field(R"({"fixed64_value":1.8446744073709551615e19})", "fixed64_value"),
            R"("18446744073709551615")");
  EXPECT_EQ(Field(R"({"sint64_value":-9223372036854775808})", "sint64_value"),
            R"("-9223372036854775808")");
  EXPECT_EQ(Field(R"({"sfixed64_value":"-1"})", "sfixed64_value"), R"("-1")");
  EXPECT_EQ(Field(R"({"int32_value":-2147483648})", "int32_value"), "-2147483648");
  EXPECT_EQ(Field(R"({"sint32_value":"-2147483648"})", "sint32_value"), "-2147483648");
  EXPECT_EQ(Field(R"({"sfixed32_value":-1})", "sfixed32_value"), "-1");
  EXPECT_EQ(Field(R"({"fixed32_value":4294967295})", "fixed32_value"), "4294967295");
  EXPECT_EQ(Field(R"({"int32_value":1.5e3})", "int32_value"), "1500");
  EXPECT_EQ(Field(R"({"int32_value":-2.0})", "int32_value"), "-2");
  EXPECT_EQ(Field(R"({"int32_value":0e99999999999999999999})", "int32_value"), "0");
  EXPECT_EQ(Field(R"({"uint32_value":-0})", "uint32_value"), "0");
  EXPECT_EQ(Field(R"({"int32_value":"1e2"})", "int32_value"), "100");
  for (const char* json :
       {R"({"int64_value":9223372036854775808})", R"({"int64_value":-9223372036854775809})",
        R"({"int64_value":1e19})", R"({"int64_value":0.5})", R"({"int64_value":"1 "})",
        R"({"int64_value":"+1"})", R"({"int64_value":"0x10"})", R"({"int64_value":""})",
        R"({"int64_value":"01"})", R"({"int64_value":true})"}) {
    EXPECT_EQ(RefusedField(json), "params.int64_value") << json;
  }
  EXPECT_EQ(RefusedField(R"({"int32_value":2147483648})"), "params.int32_value");
  EXPECT_EQ(RefusedField(R"({"int32_value":1.5})"), "params.int32_value");
  EXPECT_EQ(RefusedField(R"({"int32_value":1e-400})"), "params.int32_value");
  EXPECT_EQ(RefusedField(R"({"uint32_value":-1})"), "params.uint32_value");
  EXPECT_EQ(RefusedField(R"({"uint64_value":18446744073709551616})"), "params.uint64_value");
  EXPECT_EQ(RefusedField(R"({"int32_list":[1,2,4294967296]})"), "params.int32_list[2]");
}

TEST(MessageCodecTest, CarriesReals) {
  EXPECT_EQ(Field(R"({"double_value":0.1})", "double_value"), "0.1");
  EXPECT_EQ(Field(R"({"double_value":"1.5"})", "double_value"), "1.5");
  EXPECT_EQ(Field(R"({"double_value":-0.0})", "double_value"), "-0");
  EXPECT_EQ(Field(R"({"double_value":1.7976931348623157e308})", "double_value"),
            "1.7976931348623157e+308");
  EXPECT_EQ(Field(R"({"double_value":1e-400})", "double_value"), "0");
  EXPECT_EQ(Field(R"({"double_value":"NaN"})", "double_value"), R"("NaN")");
  EXPECT_EQ(Field(R"({"double_value":"-Infinity"})", "double_value"), R"("-Infinity")");
  EXPECT_EQ(Field(R"({"float_value":"Infinity"})", "float_value"), R"("Infinity")");
  EXPECT_EQ(Field(R"({"float_value":0.1})", "float_value"), "0.1");
  EXPECT_EQ(Field(R"({"float_value":3.4028235e38})", "float_value"), "3.4028235e+38");
  EXPECT_EQ(Field(R"({"float_value":16777216})", "float_value"), "16777216");
  EXPECT_EQ(Field(R"({"double_value":9007199254740992})", "double_value"), "9007199254740992");
  EXPECT_EQ(RefusedField(R"({"double_value":9007199254740993})"), "params.double_value");
  EXPECT_EQ(RefusedField(R"({"float_value":16777217})"), "params.float_value");
  EXPECT_EQ(RefusedField(R"({"float_value":3.5e38})"), "params.float_value");
  EXPECT_EQ(RefusedField(R"({"double_value":1e309})"), "params.double_value");
  EXPECT_EQ(RefusedField(R"({"double_value":"inf"})"), "params.double_value");
  EXPECT_EQ(RefusedField(R"({"value":{"a":[18446744073709551615]}})"), "params.value.a[0]");
}

TEST(MessageCodecTest, CarriesTextAndBytes) {
  EXPECT_EQ(Field(R"({"string_value":"a\"\\\/\b\f\n\r\té\u00e9\ud83d\ude00"})", "string_value"),
            R"("a\"\\/\u0008\u000c\n\r\téé😀")");
  EXPECT_EQ(RefusedField(R"({"string_value":"\ud83d"})"), "params.string_value");
  EXPECT_EQ(RefusedField(R"({"string_value":"\ude00\ud83d"})"), "params.string_value");
  EXPECT_EQ(RefusedField(R"({"string_value":null,"string_list":["\ud83dx"]})"),
            "params.string_list[0]");
  EXPECT_EQ(Field(R"({"bytes_value":"+/8="})", "bytes_value"), R"("+/8=")");
  EXPECT_EQ(Field(R"({"bytes_value":"-_8"})", "bytes_value"), R"("+/8=")");
  EXPECT_EQ(Field(R"({"bytes_value":"+\/8="})", "bytes_value"), R"("+/8=")");
  EXPECT_EQ(Field(R"({"bytes_value":"QUJD"})", "bytes_value"), R"("QUJD")");
  EXPECT_EQ(Field(R"({"bytes_value":""})", "bytes_value"), R"("")");
  for (const char* json : {R"({"bytes_value":"A"})", R"({"bytes_value":"AA=A"})",
                           R"({"bytes_value":"A A="})", R"({"bytes_value":"AB=="})"}) {
    EXPECT_EQ(RefusedField(json), "params.bytes_value") << json;
  }
  // A string that is not UTF-8 must still make valid JSON.
  EXPECT_NE(Print("test.Nested", "\x0a\x02\xff\x41").find("\"\uFFFDA\""), std::string::npos);
}

TEST(MessageCodecTest, CarriesEnums) {
  EXPECT_EQ(Field(R"({"status":"STATUS_LOST"})", "status"), R"("STATUS_LOST")");
  EXPECT_EQ(Field(R"({"status":-1})", "status"), R"("STATUS_LOST")");
  EXPECT_EQ(Field(R"({"status":77})", "status"), "77");
  EXPECT_EQ(Field(R"({"status":-2147483648})", "status"), "-2147483648");
  EXPECT_EQ(Field(R"({"aliased":"ALIASED_UNO"})", "aliased"), R"("ALIASED_ONE")");
  const ErrorDetails details = Refused(R"({"status":"STATUS_NOWHERE"})");
  EXPECT_EQ(details.at("field"), "params.status");
  EXPECT_EQ(details.at("expected"), "a name of test.Status");
  EXPECT_EQ(details.at("received"), "\"STATUS_NOWHERE\"");
  EXPECT_EQ(RefusedField(R"({"status":1.5})"), "params.status");
  EXPECT_EQ(RefusedField(R"({"status":2147483648})"), "params.status");
  EXPECT_EQ(RefusedField(R"({"status":true})"), "params.status");
  EXPECT_EQ(RefusedField(R"({"id":"x","level":3})", "test.legacy.Legacy"), "params.level");
}

TEST(MessageCodecTest, KnowsPresence) {
  EXPECT_EQ(Field(R"({"maybe_int32":0})", "maybe_int32"), "0");
  EXPECT_EQ(Field("{}", "maybe_int32"), "absent");
  EXPECT_EQ(Field(R"({"maybe_int32":null})", "maybe_int32"), "absent");
  EXPECT_EQ(Field(R"({"int32_value":null})", "int32_value"), "0");
  EXPECT_EQ(Field(R"({"nested":{}})", "nested"), R"({"name":"","count":0,"children":[]})");
  EXPECT_EQ(Field("{}", "nested"), "absent");
  EXPECT_EQ(Field("{}", "string_map"), "{}");
  EXPECT_EQ(Field(R"({"string_map":null,"int32_list":null})", "int32_list"), "[]");
}

TEST(MessageCodecTest, CarriesOneofs) {
  EXPECT_EQ(Field(R"({"choice_int32":0})", "choice_int32"), "0");
  EXPECT_EQ(Field(R"({"choice_null":null})", "choice_null"), "null");
  EXPECT_EQ(Field(R"({"choice_value":null})", "choice_value"), "null");
  EXPECT_EQ(Field(R"({"choice_int32":null,"choice_string":"x"})", "choice_string"), R"("x")");
  const ErrorDetails details = Refused(R"({"choice_int32":1,"choice_string":"x"})");
  EXPECT_EQ(details.at("field"), "params.choice_string");
  EXPECT_EQ(details.at("received"), "choice_int32 as well");
  // On the wire the last one counts, and what it replaced is gone: 70 is an int32, 71 a string.
  const std::string wire = "\xb0\x04\x05\xba\x04\x01x"s;
  EXPECT_EQ(Print("test.EveryKind", wire).find("choice_int32"), std::string::npos);
  EXPECT_NE(Print("test.EveryKind", wire).find(R"("choice_string":"x")"), std::string::npos);
}

TEST(MessageCodecTest, CarriesMapsOfEveryKey) {
  EXPECT_EQ(Field(R"({"string_map":{"":"e","a\"b":"v"}})", "string_map"), R"({"":"e","a\"b":"v"})");
  EXPECT_EQ(Field(R"({"int32_map":{"-5":"9"}})", "int32_map"), R"({"-5":"9"})");
  EXPECT_EQ(Field(R"({"int64_map":{"9007199254740993":0.5}})", "int64_map"),
            R"({"9007199254740993":0.5})");
  EXPECT_EQ(Field(R"({"uint64_map":{"18446744073709551615":"AA=="}})", "uint64_map"),
            R"({"18446744073709551615":"AA=="})");
  EXPECT_EQ(Field(R"({"sint64_map":{"-1":1}})", "sint64_map"), R"({"-1":1})");
  EXPECT_EQ(Field(R"({"sfixed32_map":{"-7":-8}})", "sfixed32_map"), R"({"-7":-8})");
  EXPECT_EQ(Field(R"({"bool_map":{"true":"t","false":"f"}})", "bool_map"),
            R"({"true":"t","false":"f"})");
  EXPECT_EQ(Field(R"({"uint32_map":{"1":{}}})", "uint32_map"),
            R"({"1":{"name":"","count":0,"children":[]}})");
  EXPECT_EQ(Field(R"({"value_map":{"a":null,"b":{"c":[1]}}})", "value_map"),
            R"({"a":null,"b":{"c":[1]}})");
  EXPECT_EQ(RefusedField(R"({"int32_map":{"x":1}})"), "params.int32_map.x");
  EXPECT_EQ(RefusedField(R"({"bool_map":{"True":"t"}})"), "params.bool_map.True");
  EXPECT_EQ(RefusedField(R"({"string_map":{"a":null}})"), "params.string_map.a");
  EXPECT_EQ(RefusedField(R"({"string_map":{"a":"1","b":"2","a":"3"}})"), "params.string_map.a");
  EXPECT_EQ(RefusedField(R"({"int32_map":{"1":1,"1.0":2}})"), R"(params.int32_map["1.0"])");
  EXPECT_EQ(RefusedField(R"({"string_map":[]})"), "params.string_map");
  // On the wire the last entry of a key counts: field 51, key 1, values 1 and 2.
  EXPECT_NE(Print("test.EveryKind", "\x9a\x03\x04\x08\x01\x10\x01\x9a\x03\x04\x08\x01\x10\x02"s)
                .find(R"("int32_map":{"1":"2"})"),
            std::string::npos);
  // An entry without key and value.
  EXPECT_NE(Print("test.EveryKind", "\x9a\x03\x00"s).find(R"("int32_map":{"0":"0"})"),
            std::string::npos);
}

TEST(MessageCodecTest, CarriesWellKnownTypes) {
  const std::pair<const char*, const char*> kSame[] = {
      {"timestamp", R"("1970-01-01T00:00:00Z")"},
      {"timestamp", R"("2025-09-10T12:00:00.123456789Z")"},
      {"timestamp", R"("0001-01-01T00:00:00Z")"},
      {"timestamp", R"("9999-12-31T23:59:59.999999999Z")"},
      {"timestamp", R"("1969-12-31T23:59:59.500Z")"},
      {"duration", R"("1.500s")"},
      {"duration", R"("-0.000001s")"},
      {"duration", R"("315576000000s")"},
      {"field_mask", R"("userName,address.zipCode")"},
      {"field_mask", R"("")"},
      {"struct_value", R"({"a":[1,"x",null,true,{"b":{}}]})"},
      {"value", "null"},
      {"value", "12.5"},
      {"value", R"(["a",[]])"},
      {"list_value", R"([1,[2],{}])"},
      {"empty", "{}"},
      {"any", "{}"},
      {"any", R"({"@type":"type.googleapis.com/test.Nested","name":"n","count":1,"children":[]})"},
      {"any", R"({"@type":"type.googleapis.com/google.protobuf.Duration","value":"1s"})"},
      {"any", R"({"@type":"type.googleapis.com/google.protobuf.Value","value":[1]})"},
      {"any", R"({"@type":"type.googleapis.com/google.protobuf.Empty"})"},
      {"double_wrapper", "0"},
      {"float_wrapper", R"("NaN")"},
      {"int64_wrapper", R"("0")"},
      {"uint64_wrapper", R"("18446744073709551615")"},
      {"int32_wrapper", "-1"},
      {"uint32_wrapper", "1"},
      {"bool_wrapper", "false"},
      {"string_wrapper", R"("")"},
      {"bytes_wrapper", R"("AA==")"},
      {"value_list", R"([null,1,"a"])"},
      {"int64_wrapper_list", R"(["1","0"])"},
      {"timestamp_map", R"({"a":"1970-01-01T00:00:00Z"})"},
  };
  for (const auto& [field, value] : kSame) {
    EXPECT_EQ(Field("{\""s + field + "\":" + value + "}", field), value) << field;
  }
  EXPECT_EQ(Field(R"({"timestamp":"2025-09-10T14:00:00.1+02:00"})", "timestamp"),
            R"("2025-09-10T12:00:00.100Z")");
  EXPECT_EQ(Field(R"({"duration":"0.1234567s"})", "duration"), R"("0.123456700s")");
  EXPECT_EQ(Field(R"({"field_mask":"user_name,zip"})", "field_mask"), R"("userName,zip")");
  EXPECT_EQ(Field(R"({"double_wrapper":null})", "double_wrapper"), "absent");
  EXPECT_EQ(Field(R"({"any":{"count":3,"@type":"x/test.Nested"}})", "any"),
            R"({"@type":"x/test.Nested","name":"","count":3,"children":[]})");
  // An Any of a type that nobody knows.
  EXPECT_NE(Print("test.EveryKind", "\xb2\x05\x0a\x0a\x05x/a.B\x12\x01\x07"s)
                .find(R"("any":{"@type":"x/a.B","value":"Bw=="})"),
            std::string::npos);
}

TEST(MessageCodecTest, RefusesBadWellKnownTypes) {
  const std::pair<const char*, const char*> kBad[] = {
      {"timestamp", R"("2025-13-10T12:00:00Z")"},
      {"timestamp", R"("2025-09-10")"},
      {"timestamp", R"("0000-12-31T23:59:59Z")"},
      {"timestamp", R"("2025-09-10T12:00:00.1234567891Z")"},
      {"timestamp", "1757505600"},
      {"duration", R"("1.5")"},
      {"duration", R"("1.s")"},
      {"duration", R"(".5s")"},
      {"duration", R"("315576000001s")"},
      {"duration", R"("1.1234567891s")"},
      {"duration", R"("--1s")"},
      {"field_mask", "[]"},
      {"struct_value", "[]"},
      {"list_value", "{}"},
      {"empty", R"("")"},
      {"int64_wrapper", R"({"value":1})"},
      {"bool_wrapper", "0"},
      {"any", "1"},
  };
  for (const auto& [field, value] : kBad) {
    EXPECT_EQ(RefusedField("{\""s + field + "\":" + value + "}"), "params."s + field) << value;
  }
  EXPECT_EQ(RefusedField(R"({"any":{"a":1}})"), "params.any[\"@type\"]");
  EXPECT_EQ(RefusedField(R"({"any":{"@type":"test.Nested"}})"), "params.any[\"@type\"]");
  EXPECT_EQ(RefusedField(R"({"any":{"@type":"x/no.Such"}})"), "params.any[\"@type\"]");
  EXPECT_EQ(RefusedField(R"({"any":{"@type":"x/test.Nested","nmae":1}})"), "params.any.nmae");
  EXPECT_EQ(RefusedField(R"({"any":{"@type":"x/google.protobuf.Duration","v":1}})"),
            "params.any.v");
  EXPECT_EQ(RefusedField(R"({"any":{"@type":"x/test.Nested","@type":"x/test.Nested"}})"),
            "params.any[\"@type\"]");
  // Out of their range on the wire: field 80 with seconds 1 << 62.
  EXPECT_NE(Print("test.EveryKind", "\x82\x05\x0a\x08\x80\x80\x80\x80\x80\x80\x80\x80\x40"s)
                .find("out of its range"),
            std::string::npos);
}

TEST(MessageCodecTest, NamesWhatIsWrong) {
  ErrorDetails details = Refused(R"({"nested":{"child":{"nmae":"x"}}})");
  EXPECT_EQ(details["field"], "params.nested.child.nmae");
  EXPECT_EQ(details["expected"], "a field of test.Nested");
  details = Refused(R"({"nested_list":[{},{"count":"many"}]})");
  EXPECT_EQ(details["field"], "params.nested_list[1].count");
  EXPECT_EQ(details["expected"], "an integer of 32 bits");
  EXPECT_EQ(details["received"], "\"many\"");
  details = Refused(R"({"string_value":12})");
  EXPECT_EQ(details["field"], "params.string_value");
  EXPECT_EQ(details["expected"], "a string");
  EXPECT_EQ(details["received"], "number");
  EXPECT_EQ(RefusedField(R"({"uint32_map":{"7":{"x y":1}}})"), R"(params.uint32_map.7["x y"])");
  EXPECT_EQ(RefusedField(R"({"bool_value":true,"boolValue":true})"), "params.bool_value");
  EXPECT_EQ(RefusedField(R"({"nested_list":[null]})"), "params.nested_list[0]");
  EXPECT_EQ(RefusedField(R"({"nested_list":{}})"), "params.nested_list");
  EXPECT_EQ(RefusedField("[1]"), "params");
  EXPECT_EQ(RefusedField("null"), "params");
  EXPECT_EQ(RefusedField("{\"a\""), "params");
  EXPECT_EQ(RefusedField(""), "params");
  EXPECT_EQ(RefusedField(R"({"@type":"x"})"), R"(params["@type"])");
}

TEST(MessageCodecTest, BoundsDepth) {
  const auto nested = [](int depth) {
    std::string json;
    for (int i = 0; i < depth; ++i) json += R"({"child":)";
    json += "{}";
    return json.append(static_cast<size_t>(depth), '}');
  };
  EXPECT_EQ(RoundTrip("test.Nested", nested(62)).find("nest"), std::string::npos);
  EXPECT_EQ(RefusedField(nested(64), "test.Nested"), "params");
  // A Struct takes three messages for each object: more than Protobuf's parsers follow.
  std::string object;
  for (int i = 0; i < 40; ++i) object += R"({"a":)";
  object += "1" + std::string(40, '}');
  EXPECT_TRUE(
      RefusedField(R"({"struct_value":)" + object + "}").starts_with("params.struct_value"));
  // On the wire: field 3 of Nested within itself.
  std::string wire;
  for (int i = 0; i < 62; ++i)
    wire = "\x1a" + std::string(1, static_cast<char>(wire.size())) + wire;
  EXPECT_TRUE(payload::ScanJson(Print("test.Nested", wire)).ok());
  std::string deep;
  for (int i = 0; i < 30'000; ++i) {
    std::string length;
    for (size_t size = deep.size();; size >>= 7) {
      length.push_back(static_cast<char>((size & 0x7F) | (size >= 0x80 ? 0x80 : 0)));
      if (size < 0x80) break;
    }
    if (deep.size() > 20'000) break;
    deep.insert(0, "\x1a" + length);
  }
  EXPECT_NE(Print("test.Nested", deep).find("nests deeper"), std::string::npos);
}

TEST(MessageCodecTest, BoundsWhatItPrints) {
  // Each element takes two bytes on the wire and 35 as JSON.
  std::string wire;
  for (int i = 0; i < 1000; ++i) wire += "\x22\x00"s;
  std::string json;
  EXPECT_TRUE(Codec("test.Nested").WireToJson(wire, &json, 50'000).ok());
  json.clear();
  EXPECT_EQ(CodeOf(Codec("test.Nested").WireToJson(wire, &json, 10'000)),
            ErrorCode::kMessageTooLarge);
  EXPECT_LT(json.size(), 11'000u);
}

TEST(MessageCodecTest, ReadsTheWireAsProtobufDoes) {
  const auto nested = [](const std::string& wire) { return Print("test.Nested", wire); };
  // The last scalar counts; messages in pieces merge.
  EXPECT_EQ(nested("\x10\x01\x10\x02"s), R"({"name":"","count":2,"children":[]})");
  EXPECT_EQ(nested("\x1a\x02\x10\x05\x1a\x03\x0a\x01x"s),
            R"({"name":"","count":0,"child":{"name":"x","count":5,"children":[]},"children":[]})");
  // Unknown fields, groups too, and fields of another wire type are left out.
  EXPECT_EQ(nested("\x78\x01\x7b\x08\x01\x13\x14\x7c\x15\x01\x02\x03\x04\x10\x03"s),
            R"({"name":"","count":3,"children":[]})");
  // Packed and not packed.
  EXPECT_NE(
      Print("test.EveryKind", "\xfa\x01\x02\x01\x02\xf8\x01\x03"s).find(R"("int32_list":[1,2,3])"),
      std::string::npos);
  EXPECT_NE(Print("test.EveryKind", "\x82\x02\x02\x01\x02\x80\x02\x03"s)
                .find(R"("int64_list":["1","2","3"])"),
            std::string::npos);
  // A varint wider than the field is cut, as every parser does.
  EXPECT_EQ(nested("\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"s),
            R"({"name":"","count":-1,"children":[]})");
  for (const std::string& broken :
       {"\x10"s, "\x10\x80"s, "\x0a\x05x"s, "\x0b"s, "\x0b\x14"s, "\x0c"s, "\x00\x01"s, "\x16"s,
        "\x11\x01"s, "\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"s, "\x1a\x01\x10"s}) {
    EXPECT_EQ(nested(broken), "the bytes are not a test.Nested message");
  }
}

TEST(MessageCodecTest, CarriesProto2) {
  EXPECT_EQ(RoundTrip("test.legacy.Legacy",
                      R"({"id":"x","packed_numbers":[1,2],"numbers":[3],"levels":["LOW"],)"
                      R"("extra":{"note":"n","inner":{"id":"y"}},"item":[{"size":1},{}]})"),
            R"({"id":"x","numbers":[3],"packed_numbers":[1,2],)"
            R"("extra":{"note":"n","inner":{"id":"y","numbers":[],"packed_numbers":[],"item":[],)"
            R"("levels":[]}},"item":[{"size":1},{}],"levels":["LOW"]})");
  EXPECT_EQ(RefusedField("{}", "test.legacy.Legacy"), "params.id");
  EXPECT_EQ(RefusedField(R"({"id":null})", "test.legacy.Legacy"), "params.id");
  EXPECT_EQ(RefusedField(R"({"id":"","extra":{"inner":{}}})", "test.legacy.Legacy"),
            "params.extra.inner.id");
  EXPECT_EQ(RefusedField(R"({"id":"","[test.legacy.added]":""})", "test.legacy.Legacy"),
            R"(params["[test.legacy.added]"])");
}

TEST(MessageCodecTest, CarriesLongContent) {
  // Lengths of one, two and three bytes.
  for (const size_t size : {0, 1, 127, 128, 129, 16'383, 16'384, 70'000}) {
    const std::string text(size, 'x');
    const std::string json = R"({"child":{"child":{"name":")" + text + R"("},"count":1}})";
    EXPECT_EQ(RoundTrip("test.Nested", json),
              R"({"name":"","count":0,"child":{"name":"","count":1,"child":{"name":")" + text +
                  R"(","count":0,"children":[]},"children":[]},"children":[]})");
  }
}

}  // namespace
}  // namespace covet::protojson
