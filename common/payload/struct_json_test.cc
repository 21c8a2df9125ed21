#include "common/payload/struct_json.h"

#include <gtest/gtest.h>

#include <limits>
#include <random>

namespace covet::payload {
namespace {

using common::v1::Payload;
using google::protobuf::Struct;

std::string RoundTrip(std::string_view json) {
  Struct value;
  if (!JsonToStruct(json, &value)) return "does not fit";
  std::string out;
  const absl::Status status = StructToJson(value, &out);
  return status.ok() ? out : std::string(status.message());
}

TEST(StructJsonTest, WhatFitsComesBack) {
  for (const char* json : {
           "{}",
           R"({"a":1})",
           R"({"a":-1,"b":0.5,"c":"x","d":true,"e":false,"f":null,"g":[1,"2",[],{}],"h":{"i":{}}})",
           R"({"big":9007199254740992,"e":1e+100,"z":-0})",
           R"({"text":"q\" b\\ n\n é € 😀"})",
           R"({"":""})",
       }) {
    EXPECT_EQ(RoundTrip(json), json);
  }
  EXPECT_EQ(RoundTrip(R"( { "b" : 1.0 , "a" : "\u0041\ud83d\ude00" } )"),
            "{\"a\":\"A\U0001F600\",\"b\":1}");
}

TEST(StructJsonTest, RefusesLoss) {
  for (const char* json : {"",
                           "null",
                           "1",
                           "\"x\"",
                           "[]",
                           "[{}]",
                           "{",
                           R"({"a":1}x)",
                           R"({"a":9007199254740993})",
                           R"({"a":[123456789012345678901234567890]})",
                           R"({"a":1e999})",
                           R"({"a":0.10000000000000001})",
                           R"({"a":"\ud800"})",
                           R"({"a":"\udc00"})",
                           R"({"a":"\ud800\u0041"})",
                           R"({"a":"\ud800\ud800"})",
                           R"({"a":"\udc00\ud800"})",
                           R"({"\udc00":1})",
                           R"({"\ud800":1})",
                           R"({"a":1,"a":1})",
                           R"({"a":1,"\u0061":2})",
                           R"({"x":{"a":1,"b":2,"a":3}})",
                           "{\"a\":\"\xff\"}"}) {
    Struct value;
    EXPECT_FALSE(JsonToStruct(json, &value)) << json;
    EXPECT_EQ(value.fields_size(), 0) << json;
  }
}

TEST(StructJsonTest, KeepsWithinWhatProtobufParses) {
  const auto nested = [](int depth) {
    std::string json;
    for (int i = 0; i < depth; ++i) json += "{\"a\":";
    json += "1";
    json.append(static_cast<size_t>(depth), '}');
    return json;
  };
  Payload payload;
  JsonToPayload(nested(kMaxStructDepth), common::v1::PAYLOAD_FORMAT_STRUCT, &payload);
  ASSERT_TRUE(payload.has_structured());
  EXPECT_TRUE(Payload().ParseFromString(payload.SerializeAsString()));
  JsonToPayload(nested(kMaxStructDepth + 1), common::v1::PAYLOAD_FORMAT_STRUCT, &payload);
  EXPECT_TRUE(payload.has_json());
}

TEST(StructJsonTest, RefusesWhatJsonCannotSay) {
  std::string out;
  Struct value;
  (*value.mutable_fields())["a"].set_number_value(std::numeric_limits<double>::quiet_NaN());
  EXPECT_EQ(StructToJson(value, &out).code(), absl::StatusCode::kInvalidArgument);
  (*value.mutable_fields())["a"].Clear();
  EXPECT_EQ(StructToJson(value, &out).code(), absl::StatusCode::kInvalidArgument);
  value.Clear();
  Struct* inner = &value;
  for (int i = 0; i < 4; ++i) inner = (*inner->mutable_fields())["a"].mutable_struct_value();
  EXPECT_TRUE(StructToJson(value, &out, 5).ok());
  EXPECT_EQ(StructToJson(value, &out, 4).code(), absl::StatusCode::kInvalidArgument);
}

TEST(StructJsonTest, PayloadsInRequests) {
  Payload payload;
  EXPECT_EQ(PayloadToJson(payload).status().code(), absl::StatusCode::kInvalidArgument);
  payload.set_json(R"({ "n": 123456789012345678901234567890 })");
  EXPECT_EQ(*PayloadToJson(payload), R"({ "n": 123456789012345678901234567890 })");
  payload.set_json("[1,]");
  const auto bad = PayloadToJson(payload);
  EXPECT_EQ(bad.status().message(), "invalid JSON: unexpected character at byte 3");
  payload.set_json("[[1]]");
  EXPECT_FALSE(PayloadToJson(payload, 1).ok());
  (*payload.mutable_structured()->mutable_fields())["count"].set_number_value(3);
  EXPECT_EQ(*PayloadToJson(payload), R"({"count":3})");
}

TEST(StructJsonTest, PayloadsInAnswers) {
  Payload payload;
  JsonToPayload(R"({"a":1})", common::v1::PAYLOAD_FORMAT_UNSPECIFIED, &payload);
  EXPECT_TRUE(payload.has_structured());
  JsonToPayload(R"({"a":1})", common::v1::PAYLOAD_FORMAT_JSON, &payload);
  EXPECT_EQ(payload.json(), R"({"a":1})");
  JsonToPayload("[1]", common::v1::PAYLOAD_FORMAT_STRUCT, &payload);
  EXPECT_EQ(payload.json(), "[1]");
}

}  // namespace
}  // namespace covet::payload
