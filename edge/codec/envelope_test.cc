#include "edge/codec/envelope.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <random>
#include <string>

namespace covet::edge {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;
using testing::UnorderedElementsAre;

class EnvelopeTest : public testing::Test {
 protected:
  // The body of a frame that must be accepted.
  template <typename Body>
  const Body& Accept(std::string_view frame) {
    EXPECT_TRUE(decoder_.Decode(frame, &message_, &error_))
        << frame << "\n"
        << error_.field << ": expected " << error_.expected << ", received " << error_.received;
    EXPECT_TRUE(std::holds_alternative<Body>(message_.body)) << frame;
    return std::get<Body>(message_.body);
  }

  // The error of a frame that must be refused.
  const DecodeError& Refuse(std::string_view frame) {
    EXPECT_FALSE(decoder_.Decode(frame, &message_, &error_)) << frame;
    return error_;
  }

  void ExpectError(std::string_view frame, std::string_view field, std::string_view expected,
                   std::string_view received) {
    const DecodeError& error = Refuse(frame);
    EXPECT_EQ(error.field, field) << frame;
    EXPECT_EQ(error.expected, expected) << frame;
    EXPECT_EQ(error.received, received) << frame;
  }

  static std::string Frame(std::string_view type, std::string_view data) {
    return std::string(R"({"type":")")
        .append(type)
        .append(R"(","id":"m1","data":)")
        .append(data)
        .append("}");
  }

  Decoder decoder_;
  ClientMessage message_;
  DecodeError error_;
};

TEST_F(EnvelopeTest, ReadsTheEnvelope) {
  Accept<LeaveRoomMessage>(
      R"({"type":"leave_room","id":"lr_1","timestamp":"2025-09-10T12:00:00Z","data":{"room_id":"r"},)"
      R"("metadata":{"correlation_id":"c 1","priority":"high","ttl":30000,"in_reply_to":"x","other":[1]},"more":{}})");
  EXPECT_EQ(message_.type, "leave_room");
  EXPECT_EQ(message_.id, "lr_1");
  EXPECT_EQ(message_.correlation_id, "c 1");
  EXPECT_EQ(message_.in_reply_to, "x");
  EXPECT_EQ(message_.priority, Priority::kHigh);
  EXPECT_EQ(message_.ttl_ms, 30000);
}

TEST_F(EnvelopeTest, DefaultsDoNotLingerFromTheMessageBefore) {
  Accept<JoinRoomMessage>(
      R"({"type":"join_room","id":"a","data":{"room_id":"r","options":{"history":5,"filter":{"event_types":["x"]}}},)"
      R"("metadata":{"correlation_id":"c","priority":"low","ttl":1}})");
  const auto& join =
      Accept<JoinRoomMessage>(R"({"type":"join_room","id":"b","data":{"room_id":"r"}})");
  EXPECT_EQ(join.history, 0);
  EXPECT_FALSE(join.has_filter);
  EXPECT_THAT(join.event_types, IsEmpty());
  EXPECT_EQ(message_.correlation_id, "");
  EXPECT_EQ(message_.priority, Priority::kNormal);
  EXPECT_EQ(message_.ttl_ms, 0);
}

TEST_F(EnvelopeTest, FieldsComeInAnyOrderAndSpacing) {
  const auto& message = Accept<RoomMessage>(
      " \n{ \"metadata\" : { } , \"data\" : { \"payload\" : [ 1 , 2 ] , \"event_type\" : \"e\" , "
      "\"room_id\" : "
      "\"r\" } , \"id\" : \"1\" , \"type\" : \"room_message\" } \r\n\t");
  EXPECT_EQ(message.payload, "[ 1 , 2 ]");
  EXPECT_EQ(message.room_id, "r");
}

TEST_F(EnvelopeTest, UnescapesNamesAndValues) {
  const auto& leave = Accept<LeaveRoomMessage>(
      R"({"t\u0079pe":"leave\u005froom","id":"q\"\\\n\u00e9\ud83d\ude00","d\u0061ta":{"room\u005fid":"a\u002db"}})");
  EXPECT_EQ(leave.room_id, "a-b");
  EXPECT_EQ(message_.id, "q\"\\\n\u00e9\U0001F600");
}

TEST_F(EnvelopeTest, TheSpecificationsExample) {
  const DecodeError& error = Refuse(
      R"({"type":"subscribe","id":"invalid_msg_123","data":{"stream_type":"metrics","resource_id":null}})");
  EXPECT_EQ(error.code, ErrorCode::kInvalidMessageFormat);
  EXPECT_EQ(error.message, "Message format is invalid");
  EXPECT_EQ(error.original_id, "invalid_msg_123");
  EXPECT_THAT(error.Details(),
              UnorderedElementsAre(Pair("field", "data.resource_id"), Pair("expected", "string"),
                                   Pair("received", "null")));
}

TEST_F(EnvelopeTest, BadJsonNamesThePlace) {
  ExpectError("", "$", "valid JSON", "unexpected end at byte 0");
  ExpectError("{\"type\":", "$", "valid JSON", "unexpected end at byte 8");
  ExpectError(R"({"type":"heartbeat","id":"1","data":{"x":01}})", "$", "valid JSON",
              "bad number at byte 42");
  ExpectError(R"({"type":"heartbeat","id":"1","unknown":[tru]})", "$", "valid JSON",
              "bad literal at byte 40");
  EXPECT_EQ(error_.original_id, "");
  ExpectError("{}x", "$", "valid JSON", "data after the value at byte 2");
  ExpectError("\"\xff\"", "$", "valid JSON", "bad UTF-8 at byte 1");
  ExpectError("[]", "$", "object", "array");
  ExpectError("null", "$", "object", "null");
  ExpectError("12", "$", "object", "number");
  ExpectError(std::string(65, '['), "$", "JSON at most 64 deep", "nested too deep at byte 64");
}

TEST_F(EnvelopeTest, BadEnvelopes) {
  ExpectError("{}", "type", "string", "missing");
  ExpectError(R"({"type":5,"id":"1"})", "type", "string", "number");
  ExpectError(R"({"type":"nonsense","id":"1"})", "type", "a type that clients send",
              "\"nonsense\"");
  EXPECT_EQ(error_.original_id, "1");
  EXPECT_EQ(error_.code, ErrorCode::kInvalidMessageFormat);
  ExpectError(R"({"type":"room_event","id":"1"})", "type", "a type that clients send",
              "\"room_event\"");
  ExpectError(R"({"type":"heartbeat "})", "type", "a type that clients send", "\"heartbeat \"");
  ExpectError(R"({"type":"heartbeat"})", "id", "string", "missing");
  ExpectError(R"({"type":"heartbeat","id":7})", "id", "string", "number");
  EXPECT_EQ(error_.original_id, "");
  ExpectError(R"({"type":"heartbeat","id":null})", "id", "string", "null");
  ExpectError(R"({"type":"heartbeat","id":""})", "id", "string of 1 to 128 characters",
              "string of 0 characters");
  ExpectError(R"({"type":"heartbeat","id":")" + std::string(129, 'x') + R"("})", "id",
              "string of 1 to 128 characters", "string of 129 characters");
  ExpectError(R"({"type":"heartbeat","id":"\ud800"})", "id", "string of Unicode characters",
              "string with a lone surrogate");
  ExpectError(R"({"type":"heartbeat","id":"1","data":[]})", "data", "object", "array");
  ExpectError(R"({"type":"heartbeat","id":"1","data":null})", "data", "object", "null");
  ExpectError(R"({"type":"join_room","id":"1"})", "data", "object", "missing");
  ExpectError(R"({"type":"heartbeat","id":"1","timestamp":12})", "timestamp", "string", "number");
  ExpectError(R"({"type":"heartbeat","id":"1","metadata":"x"})", "metadata", "object", "string");
}

TEST_F(EnvelopeTest, ErrorsCarryTheCorrelationIdWhereverItStands) {
  EXPECT_EQ(
      Refuse(R"({"type":"x","id":"1","metadata":{"correlation_id":"c\u0031"}})").correlation_id,
      "c1");
  EXPECT_EQ(error_.field, "type");
  EXPECT_EQ(error_.original_id, "1");
  EXPECT_EQ(
      Refuse(R"({"metadata":{"priority":1,"correlation_id":"c"},"type":"heartbeat","id":"1"})")
          .correlation_id,
      "c");
  EXPECT_EQ(error_.field, "metadata.priority");
  EXPECT_EQ(Refuse(R"({"type":"x","id":"1","metadata":{"correlation_id":5}})").correlation_id, "");
  EXPECT_EQ(Refuse(R"({"type":"x","id":"1","metadata":5})").correlation_id, "");
  EXPECT_EQ(error_.field, "type");
}

TEST_F(EnvelopeTest, WhatIsTooDeepIsToldByItsId) {
  const std::string deep = std::string(100, '[') + std::string(100, ']');
  const DecodeError& error = Refuse(R"({"type":"x","id":"deep","data":{"a":)" + deep +
                                    R"(},"metadata":{"correlation_id":"c"}})");
  EXPECT_EQ(error.field, "$");
  EXPECT_EQ(error.original_id, "deep");
  EXPECT_EQ(error.correlation_id, "c");
  // What follows the depth need not be valid.
  EXPECT_EQ(Refuse(R"({"id":"deep","data":)" + deep + "tru}").original_id, "deep");
  EXPECT_EQ(Refuse(R"({"id":"deep","data":)" + std::string(100'000, '[')).field, "$");
  EXPECT_EQ(Refuse(R"({"id":"x"y,"data":)" + deep + "}").field, "$");
  EXPECT_EQ(Refuse(deep).original_id, "");
}

TEST_F(EnvelopeTest, CountsCharactersNotBytes) {
  std::string id;
  for (int i = 0; i < 128; ++i) id += "\u20ac";
  Accept<HeartbeatMessage>(R"({"type":"heartbeat","id":")" + id + R"("})");
  EXPECT_EQ(message_.id, id);
  Refuse(R"({"type":"heartbeat","id":")" + id + R"(x"})");
}

TEST_F(EnvelopeTest, BadMetadata) {
  const auto frame = [](std::string_view metadata) {
    return std::string(R"({"type":"heartbeat","id":"1","metadata":{)")
        .append(metadata)
        .append("}}");
  };
  ExpectError(frame(R"("correlation_id":1)"), "metadata.correlation_id", "string", "number");
  ExpectError(frame(R"("correlation_id":"")"), "metadata.correlation_id",
              "string of 1 to 128 characters", "string of 0 characters");
  ExpectError(frame(R"("priority":"urgent")"), "metadata.priority", "low, normal or high",
              "\"urgent\"");
  ExpectError(frame(R"("priority":2)"), "metadata.priority", "string", "number");
  const std::string ttl = "integer from 1 to 9007199254740991";
  ExpectError(frame(R"("ttl":0)"), "metadata.ttl", ttl, "0");
  ExpectError(frame(R"("ttl":-5)"), "metadata.ttl", ttl, "-5");
  ExpectError(frame(R"("ttl":1.5)"), "metadata.ttl", ttl, "1.5");
  ExpectError(frame(R"("ttl":1e400)"), "metadata.ttl", ttl, "1e400");
  ExpectError(frame(R"("ttl":99999999999999999999)"), "metadata.ttl", ttl, "99999999999999999999");
  ExpectError(frame(R"("ttl":"30")"), "metadata.ttl", "integer", "string");
  ExpectError(frame(R"("in_reply_to":{})"), "metadata.in_reply_to", "string", "object");
  EXPECT_EQ(error_.original_id, "1");
  Accept<HeartbeatMessage>(frame(R"("ttl":2e3)"));
  EXPECT_EQ(message_.ttl_ms, 2000);
  Accept<HeartbeatMessage>(frame(R"("ttl":9007199254740991)"));
  EXPECT_LT(message_.ttl_ms, std::numeric_limits<int64_t>::max() / 1'000'000);
}

TEST_F(EnvelopeTest, RefusesKnownFieldsThatComeTwice) {
  ExpectError(R"({"type":"heartbeat","type":"heartbeat","id":"1"})", "type", "one value",
              "the same field twice");
  ExpectError(R"({"type":"heartbeat","id":"1","id":"2"})", "id", "one value",
              "the same field twice");
  ExpectError(R"({"type":"heartbeat","id":"1","data":{},"data":{}})", "data", "one value",
              "the same field twice");
  ExpectError(R"({"type":"leave_room","id":"1","data":{"room_id":"a","room\u005fid":"b"}})",
              "data.room_id", "one value", "the same field twice");
  ExpectError(R"({"type":"heartbeat","id":"1","metadata":{"ttl":1,"ttl":1}})", "metadata.ttl",
              "one value", "the same field twice");
  Accept<HeartbeatMessage>(R"({"type":"heartbeat","id":"1","x":1,"x":2,"data":{"y":1,"y":2}})");
}

TEST_F(EnvelopeTest, IgnoresUnknownFieldsWhateverTheyHold) {
  const auto& message = Accept<RoomMessage>(
      R"({"\ud800":1,"typ":0,"type2":0,"":[],"type":"room_message","a":{"type":"x","id":7},"id":"1","n":1e999,)"
      R"("s":"\udc00","data":{"z":[[{}]],"room_id":"r","big":123456789012345678901234567890,"event_type":"e","payload":{}}})");
  EXPECT_EQ(message.payload, "{}");
}

TEST_F(EnvelopeTest, Heartbeat) {
  EXPECT_EQ(Accept<HeartbeatMessage>(Frame("heartbeat", R"({"sequence":42})")).sequence, 42);
  EXPECT_EQ(Accept<HeartbeatMessage>(Frame("heartbeat", "{}")).sequence, std::nullopt);
  EXPECT_EQ(Accept<HeartbeatMessage>(R"({"type":"heartbeat","id":"1"})").sequence, std::nullopt);
  ExpectError(Frame("heartbeat", R"({"sequence":"1"})"), "data.sequence", "integer", "string");
  ExpectError(Frame("heartbeat", R"({"sequence":-1})"), "data.sequence",
              "integer from 0 to 9007199254740991", "-1");
}

TEST_F(EnvelopeTest, JoinRoom) {
  const auto& join = Accept<JoinRoomMessage>(Frame(
      "join_room",
      R"({"room_id":"project_123","options":{"subscribe_to_metrics":true,"filter":{"event_types":["data_update",)"
      R"("user_activity"]},"resume":{"epoch":"Ab","offset":17},"history":10000}})"));
  EXPECT_EQ(join.room_id, "project_123");
  EXPECT_TRUE(join.subscribe_to_metrics);
  EXPECT_TRUE(join.has_filter);
  EXPECT_THAT(join.event_types, ElementsAre("data_update", "user_activity"));
  ASSERT_TRUE(join.resume.has_value());
  EXPECT_EQ(join.resume->epoch, "Ab");
  EXPECT_EQ(join.resume->offset, 17);
  EXPECT_EQ(join.history, 10000);

  const auto& empty = Accept<JoinRoomMessage>(
      Frame("join_room", R"({"room_id":"r","options":{"filter":{"event_types":[]}}})"));
  EXPECT_TRUE(empty.has_filter);
  EXPECT_THAT(empty.event_types, IsEmpty());
  EXPECT_FALSE(
      Accept<JoinRoomMessage>(Frame("join_room", R"({"room_id":"r","options":{"filter":{}}})"))
          .has_filter);
}

TEST_F(EnvelopeTest, JoinRoomErrors) {
  const auto options = [](std::string_view text) {
    return Frame("join_room", std::string(R"({"room_id":"r","options":)").append(text).append("}"));
  };
  ExpectError(Frame("join_room", "{}"), "data.room_id", "string", "missing");
  ExpectError(Frame("join_room", R"({"room_id":null})"), "data.room_id", "string", "null");
  ExpectError(options("[]"), "data.options", "object", "array");
  ExpectError(options(R"({"filter":true})"), "data.options.filter", "object", "boolean");
  ExpectError(options(R"({"filter":{"event_types":"x"}})"), "data.options.filter.event_types",
              "array", "string");
  ExpectError(options(R"({"filter":{"event_types":["x",5]}})"),
              "data.options.filter.event_types[1]", "string", "number");
  ExpectError(options(R"({"filter":{"event_types":["a b"]}})"),
              "data.options.filter.event_types[0]",
              "string of 1 to 128 characters from A-Z a-z 0-9 . _ : @ -", "\"a b\"");
  std::string many = "\"t\"";
  for (int i = 1; i < 32; ++i) many += ",\"t\"";
  Accept<JoinRoomMessage>(options(R"({"filter":{"event_types":[)" + many + "]}}"));
  ExpectError(options(R"({"filter":{"event_types":[)" + many + ",\"t\"]}}"),
              "data.options.filter.event_types", "array of at most 32", "more");
  ExpectError(options(R"({"resume":5})"), "data.options.resume", "object", "number");
  ExpectError(options(R"({"resume":{"offset":5}})"), "data.options.resume.epoch", "string",
              "missing");
  ExpectError(options(R"({"resume":{"epoch":"e"}})"), "data.options.resume.offset", "integer",
              "missing");
  ExpectError(options(R"({"resume":{"epoch":"e","offset":-1}})"), "data.options.resume.offset",
              "integer from 0 to 9007199254740991", "-1");
  ExpectError(options(R"({"history":10001})"), "data.options.history", "integer from 0 to 10000",
              "10001");
  ExpectError(options(R"({"history":"all"})"), "data.options.history", "integer", "string");
  ExpectError(options(R"({"subscribe_to_metrics":"yes"})"), "data.options.subscribe_to_metrics",
              "boolean", "string");
}

TEST_F(EnvelopeTest, Names) {
  const std::string rule = "string of 1 to 128 characters from A-Z a-z 0-9 . _ : @ -";
  const auto leave = [](std::string_view room) {
    return Frame("leave_room", std::string(R"({"room_id":")").append(room).append("\"}"));
  };
  EXPECT_EQ(Accept<LeaveRoomMessage>(leave("aZ09._:@-")).room_id, "aZ09._:@-");
  Accept<LeaveRoomMessage>(leave(std::string(128, 'r')));
  ExpectError(leave(""), "data.room_id", rule, "\"\"");
  ExpectError(leave(std::string(129, 'r')), "data.room_id", rule,
              "\"" + std::string(63, 'r') + "…");
  for (const char* bad : {"a b", "a/b", "\u00e9", "a\\u0000", "a*", "a\\n"}) {
    EXPECT_EQ(Refuse(leave(bad)).expected, rule) << bad;
  }
}

TEST_F(EnvelopeTest, RoomMessage) {
  const auto& message = Accept<RoomMessage>(Frame(
      "room_message",
      R"({"room_id":"r","event_type":"data_update","payload":{"n":1.0},"idempotency_key":"k"})"));
  EXPECT_EQ(message.room_id, "r");
  EXPECT_EQ(message.event_type, "data_update");
  EXPECT_EQ(message.payload, R"({"n":1.0})");
  EXPECT_EQ(message.idempotency_key, "k");

  ExpectError(Frame("room_message", R"({"event_type":"e","payload":1})"), "data.room_id", "string",
              "missing");
  ExpectError(Frame("room_message", R"({"room_id":"r","payload":1})"), "data.event_type", "string",
              "missing");
  ExpectError(Frame("room_message", R"({"room_id":"r","event_type":"e"})"), "data.payload",
              "any JSON value", "missing");
  ExpectError(Frame("room_message", R"({"room_id":"r","event_type":false,"payload":1})"),
              "data.event_type", "string", "boolean");
  ExpectError(
      Frame("room_message", R"({"room_id":"r","event_type":"e","payload":1,"idempotency_key":""})"),
      "data.idempotency_key", "string of 1 to 128 characters", "string of 0 characters");
}

TEST_F(EnvelopeTest, PayloadsComeOutAsTheyWereSent) {
  for (const std::string payload :
       {"null", "true", "false", "0", "-0", "123456789012345678901234567890", "1e999",
        "0.10000000000000001", R"("")", R"("\ud800 \u0041 \/ }],{[\"")", "[]", "[ ]", "{}", "{ }",
        R"({"b":1,"a":2,"b":3})", "[1,\n\t2 ,{\"x\" : [ ]}]", "\"caf\u00e9 \U0001F600\"",
        R"({"payload":{"payload":"}"}})", R"([[[[["deep"]]]]])"}) {
    // As the last field, before another one, and with space around.
    EXPECT_EQ(
        Accept<RoomMessage>(
            Frame("room_message", R"({"room_id":"r","event_type":"e","payload":)" + payload + "}"))
            .payload,
        payload);
    const auto& message = Accept<RoomMessage>(
        Frame("room_message",
              "{\"payload\" : " + payload + "\n ,\"room_id\":\"r\",\"event_type\":\"e\"}"));
    EXPECT_EQ(message.payload, payload);
    EXPECT_EQ(message.event_type, "e");
  }
}

TEST_F(EnvelopeTest, BoundsPayloads) {
  decoder_.set_limits({.json_depth = 5, .room_payload = 10, .rpc_params = 12, .chunk = 4});
  const auto frame = [](std::string_view payload) {
    return Frame(
        "room_message",
        std::string(R"({"room_id":"r","event_type":"e","payload":)").append(payload).append("}"));
  };
  Accept<RoomMessage>(frame("\"12345678\""));
  const DecodeError& error = Refuse(frame("\"123456789\""));
  EXPECT_EQ(error.code, ErrorCode::kMessageTooLarge);
  EXPECT_EQ(error.message, "Message is too large");
  EXPECT_EQ(error.original_id, "m1");
  EXPECT_EQ(error.field, "data.payload");
  EXPECT_EQ(error.expected, "at most 10 bytes");
  EXPECT_EQ(error.received, "11 bytes");
  EXPECT_EQ(Refuse(frame("[1,2,3,4,5,6]")).code, ErrorCode::kMessageTooLarge);
  Accept<RoomMessage>(frame("[[[]]]"));
  EXPECT_EQ(Refuse(frame("[[[[]]]]")).field, "$");

  Accept<RpcCallMessage>(Frame("rpc_call", R"({"method":"m","params":{"a":123456}})"));
  EXPECT_EQ(Refuse(Frame("rpc_call", R"({"method":"m","params":{"a":1234567}})")).code,
            ErrorCode::kMessageTooLarge);
}

TEST_F(EnvelopeTest, Subscribe) {
  const auto& subscribe = Accept<SubscribeMessage>(Frame(
      "subscribe",
      R"({"stream_type":"logs","resource_id":"db_conn_123","filters":{"min_severity":"warning","tags":["performance",)"
      R"("da ta"],"fields":{"cpu_usage":{"gte":80,"lt":1e2},"h\u006fst":{"in":["a", 1 ,null] },"s":{"ne":"x"}}},)"
      R"("options":{"buffer_size":10000,"batch_interval":0,"conflate":true,"history":5,"resume":{"epoch":"e","offset":0}}})"));
  EXPECT_EQ(subscribe.stream_type, "logs");
  EXPECT_EQ(subscribe.resource_id, "db_conn_123");
  EXPECT_EQ(subscribe.filters.min_severity, Severity::kWarning);
  EXPECT_THAT(subscribe.filters.tags, ElementsAre("performance", "da ta"));
  ASSERT_EQ(subscribe.filters.fields.size(), 4u);
  EXPECT_EQ(subscribe.filters.fields[0].field, "cpu_usage");
  EXPECT_EQ(subscribe.filters.fields[0].op, FilterOp::kGte);
  EXPECT_EQ(subscribe.filters.fields[0].operand, "80");
  EXPECT_EQ(subscribe.filters.fields[1].op, FilterOp::kLt);
  EXPECT_EQ(subscribe.filters.fields[1].operand, "1e2");
  EXPECT_EQ(subscribe.filters.fields[2].field, "host");
  EXPECT_EQ(subscribe.filters.fields[2].op, FilterOp::kIn);
  EXPECT_EQ(subscribe.filters.fields[2].operand, R"(["a", 1 ,null])");
  EXPECT_EQ(subscribe.filters.fields[3].operand, "\"x\"");
  EXPECT_EQ(subscribe.buffer_size, 10000);
  EXPECT_EQ(subscribe.batch_interval_ms, 0);
  EXPECT_TRUE(subscribe.conflate);
  EXPECT_EQ(subscribe.history, 5);
  EXPECT_TRUE(subscribe.resume.has_value());

  const auto& plain = Accept<SubscribeMessage>(
      Frame("subscribe", R"({"stream_type":"database_changes","resource_id":"x"})"));
  EXPECT_EQ(plain.batch_interval_ms, 1000);
  EXPECT_EQ(plain.buffer_size, 100);
  EXPECT_FALSE(plain.conflate);
}

TEST_F(EnvelopeTest, SubscribeErrors) {
  const auto with = [](std::string_view name, std::string_view value) {
    return Frame("subscribe", std::string(R"({"stream_type":"metrics","resource_id":"x",")")
                                  .append(name)
                                  .append("\":")
                                  .append(value)
                                  .append("}"));
  };
  ExpectError(Frame("subscribe", R"({"resource_id":"x"})"), "data.stream_type", "string",
              "missing");
  ExpectError(Frame("subscribe", R"({"stream_type":"videos","resource_id":"x"})"),
              "data.stream_type", "metrics, logs, events or database_changes", "\"videos\"");
  ExpectError(Frame("subscribe", R"({"stream_type":"metrics"})"), "data.resource_id", "string",
              "missing");
  ExpectError(with("filters", "[]"), "data.filters", "object", "array");
  ExpectError(with("filters", R"({"min_severity":3})"), "data.filters.min_severity", "string",
              "number");
  ExpectError(with("filters", R"({"tags":"x"})"), "data.filters.tags", "array", "string");
  ExpectError(with("filters", R"({"tags":["x",null]})"), "data.filters.tags[1]", "string", "null");
  ExpectError(with("filters", R"({"fields":[]})"), "data.filters.fields", "object", "array");
  ExpectError(with("filters", R"({"fields":{"cpu":80}})"), "data.filters.fields.cpu", "object",
              "number");
  ExpectError(with("filters", R"({"fields":{"cpu":{"gte":true}}})"), "data.filters.fields.cpu.gte",
              "number or string", "boolean");
  ExpectError(with("filters", R"({"fields":{"cpu":{"eq":[]}}})"), "data.filters.fields.cpu.eq",
              "scalar", "array");
  ExpectError(with("filters", R"({"fields":{"cpu":{"in":5}}})"), "data.filters.fields.cpu.in",
              "array", "number");
  ExpectError(with("filters", R"({"fields":{"cpu":{"in":[{}]}}})"), "data.filters.fields.cpu.in",
              "array of scalars", "object");
  EXPECT_EQ(error_.code, ErrorCode::kInvalidMessageFormat);
  ExpectError(with("options", R"({"batch_interval":10001})"), "data.options.batch_interval",
              "integer from 0 to 10000", "10001");
  ExpectError(with("options", R"({"batch_interval":-1})"), "data.options.batch_interval",
              "integer from 0 to 10000", "-1");
  ExpectError(with("options", R"({"buffer_size":0})"), "data.options.buffer_size",
              "integer from 1 to 10000", "0");
  ExpectError(with("options", R"({"conflate":1})"), "data.options.conflate", "boolean", "number");
  ExpectError(with("options", R"({"resume":{}})"), "data.options.resume.epoch", "string",
              "missing");
}

TEST_F(EnvelopeTest, FiltersThatCannotWorkFailTheSubscription) {
  const auto filters = [](std::string_view text) {
    return Frame("subscribe",
                 std::string(R"({"stream_type":"metrics","resource_id":"x","filters":)")
                     .append(text)
                     .append("}"));
  };
  const auto expect_bad = [&](std::string_view text, std::string_view field) {
    const DecodeError& error = Refuse(filters(text));
    EXPECT_EQ(error.code, ErrorCode::kSubscriptionFailed);
    EXPECT_EQ(error.field, field);
    EXPECT_EQ(error.original_id, "m1");
    EXPECT_EQ(error.Details().at("reason"), "BAD_FILTER");
  };
  expect_bad(R"({"min_severity":"loud"})", "data.filters.min_severity");
  expect_bad(R"({"fields":{"cpu":{"like":"x"}}})", "data.filters.fields.cpu");
  EXPECT_EQ(error_.received, "\"like\"");
  expect_bad(R"({"fields":{"cpu":{"":5}}})", "data.filters.fields.cpu");
  EXPECT_EQ(error_.received, "\"\"");
  expect_bad(R"({"fields":{"":{"eq":5}}})", "data.filters.fields");
  expect_bad("{\"fields\":{\"" + std::string(129, 'f') + "\":{}}}", "data.filters.fields");
  std::string tags = "\"t\"";
  for (int i = 1; i < 32; ++i) tags += ",\"t\"";
  Accept<SubscribeMessage>(filters("{\"tags\":[" + tags + "]}"));
  expect_bad("{\"tags\":[" + tags + ",\"t\"]}", "data.filters");
  expect_bad("{\"min_severity\":\"info\",\"tags\":[" + tags + "]}", "data.filters");
  expect_bad(R"({"fields":{"f":{"in":[)" + std::string(4096, '1') + "]}}}", "data.filters");
}

TEST_F(EnvelopeTest, Unsubscribe) {
  EXPECT_EQ(Accept<UnsubscribeMessage>(Frame("unsubscribe", R"({"subscription_id":"sub 1"})"))
                .subscription_id,
            "sub 1");
  ExpectError(Frame("unsubscribe", "{}"), "data.subscription_id", "string", "missing");
  ExpectError(Frame("unsubscribe", R"({"subscription_id":[]})"), "data.subscription_id", "string",
              "array");
}

TEST_F(EnvelopeTest, RpcCall) {
  const auto& call = Accept<RpcCallMessage>(Frame(
      "rpc_call",
      R"({"method":"database.test_connection","params":{"connection_id":"db"},"timeout":1})"));
  EXPECT_EQ(call.method, "database.test_connection");
  EXPECT_EQ(call.params, R"({"connection_id":"db"})");
  EXPECT_EQ(call.timeout_ms, 1);
  const auto& plain = Accept<RpcCallMessage>(Frame("rpc_call", R"({"method":"a.B/C"})"));
  EXPECT_EQ(plain.params, "{}");
  EXPECT_EQ(plain.timeout_ms, 10000);
  EXPECT_EQ(
      Accept<RpcCallMessage>(Frame("rpc_call", R"({"method":"m","timeout":60000.0})")).timeout_ms,
      60000);

  ExpectError(Frame("rpc_call", "{}"), "data.method", "string", "missing");
  ExpectError(Frame("rpc_call", R"({"method":""})"), "data.method", "string of 1 to 256 characters",
              "string of 0 characters");
  ExpectError(Frame("rpc_call", R"({"method":"m","params":[]})"), "data.params", "object", "array");
  ExpectError(Frame("rpc_call", R"({"method":"m","timeout":0})"), "data.timeout",
              "integer from 1 to 60000", "0");
  ExpectError(Frame("rpc_call", R"({"method":"m","timeout":60001})"), "data.timeout",
              "integer from 1 to 60000", "60001");
  ExpectError(Frame("rpc_call", R"({"method":"m","timeout":null})"), "data.timeout", "integer",
              "null");
}

TEST_F(EnvelopeTest, MessagesOfOneId) {
  EXPECT_EQ(Accept<RpcCancelMessage>(Frame("rpc_cancel", R"({"call_id":"c"})")).call_id, "c");
  EXPECT_EQ(Accept<NotificationAckMessage>(Frame("notification_ack", R"({"notification_id":"n"})"))
                .notification_id,
            "n");
  EXPECT_EQ(Accept<FileUploadResumeMessage>(Frame("file_upload_resume", R"({"upload_id":"u"})"))
                .upload_id,
            "u");
  EXPECT_EQ(Accept<FileUploadCancelMessage>(Frame("file_upload_cancel", R"({"upload_id":"u"})"))
                .upload_id,
            "u");
  ExpectError(Frame("rpc_cancel", R"({"call_id":1})"), "data.call_id", "string", "number");
  ExpectError(Frame("notification_ack", "{}"), "data.notification_id", "string", "missing");
  ExpectError(Frame("file_upload_resume", R"({"upload_id":""})"), "data.upload_id",
              "string of 1 to 128 characters", "string of 0 characters");
  ExpectError(Frame("file_upload_cancel", R"({"upload_id":{}})"), "data.upload_id", "string",
              "object");
}

TEST_F(EnvelopeTest, AuthRefreshNeverShowsTheToken) {
  EXPECT_EQ(Accept<AuthRefreshMessage>(Frame("auth_refresh", R"({"token":"a.b.c"})")).token,
            "a.b.c");
  ExpectError(Frame("auth_refresh", "{}"), "data.token", "string", "missing");
  ExpectError(Frame("auth_refresh", "{\"token\":\"" + std::string(16385, 's') + "\"}"),
              "data.token", "string of 1 to 16384 characters", "string of 16385 characters");
}

TEST_F(EnvelopeTest, FileUploadStart) {
  const std::string sha256(64, 'A');
  const auto& start = Accept<FileUploadStartMessage>(Frame(
      "file_upload_start",
      R"({"filename":"data.csv","size":1048576,"mimetype":"text/csv","chunk_size":64000,"sha256":")" +
          sha256 + R"(","metadata":{"project_id":"proj_123"}})"));
  EXPECT_EQ(start.filename, "data.csv");
  EXPECT_EQ(start.size, 1048576);
  EXPECT_EQ(start.chunk_size, 64000);
  EXPECT_EQ(start.mimetype, "text/csv");
  EXPECT_EQ(start.sha256, sha256);
  EXPECT_EQ(start.metadata, R"({"project_id":"proj_123"})");

  const auto with = [](std::string_view more) {
    return Frame(
        "file_upload_start",
        std::string(R"({"filename":"f","size":1,"chunk_size":1)").append(more).append("}"));
  };
  EXPECT_EQ(Accept<FileUploadStartMessage>(with("")).metadata, "");
  ExpectError(Frame("file_upload_start", R"({"size":1,"chunk_size":1})"), "data.filename", "string",
              "missing");
  ExpectError(Frame("file_upload_start", R"({"filename":"f","chunk_size":1})"), "data.size",
              "integer", "missing");
  ExpectError(Frame("file_upload_start", R"({"filename":"f","size":1})"), "data.chunk_size",
              "integer", "missing");
  ExpectError(Frame("file_upload_start", R"({"filename":"f","size":-1,"chunk_size":1})"),
              "data.size", "integer from 0 to 9007199254740991", "-1");
  ExpectError(Frame("file_upload_start", R"({"filename":"f","size":1,"chunk_size":0})"),
              "data.chunk_size", "integer from 1 to 9007199254740991", "0");
  ExpectError(with(R"(,"mimetype":1)"), "data.mimetype", "string", "number");
  ExpectError(with(R"(,"sha256":"abc")"), "data.sha256", "SHA-256 in 64 hex digits", "\"abc\"");
  ExpectError(with(R"(,"metadata":[])"), "data.metadata", "object", "array");
}

TEST_F(EnvelopeTest, FileChunk) {
  const std::string sum(64, 'f');
  const std::string head =
      R"({"upload_id":"u","chunk_index":3,"total_chunks":"never checked","checksum":")" + sum +
      "\"";
  const auto& chunk = Accept<FileChunkMessage>(Frame("file_chunk", head + R"(,"data":"aGk\/"})"));
  EXPECT_EQ(chunk.upload_id, "u");
  EXPECT_EQ(chunk.chunk_index, 3);
  EXPECT_EQ(chunk.checksum, sum);
  EXPECT_EQ(chunk.data, "aGk/");
  EXPECT_FALSE(chunk.raw);

  ExpectError(Frame("file_chunk", head + "}"), "data.data", "base64 string", "missing");
  ExpectError(Frame("file_chunk", head + R"(,"data":5})"), "data.data", "string", "number");
  ExpectError(Frame("file_chunk", R"({"upload_id":"u","chunk_index":0,"data":""})"),
              "data.checksum", "string", "missing");
  ExpectError(Frame("file_chunk",
                    R"({"upload_id":"u","chunk_index":-1,"checksum":")" + sum + R"(","data":""})"),
              "data.chunk_index", "integer from 0 to 9007199254740991", "-1");
  decoder_.set_limits({.chunk = 4});
  Accept<FileChunkMessage>(Frame("file_chunk", head + R"(,"data":"12345678"})"));
  EXPECT_EQ(Refuse(Frame("file_chunk", head + R"(,"data":"123456789"})")).code,
            ErrorCode::kMessageTooLarge);
}

class BinaryFrameTest : public EnvelopeTest {
 protected:
  static std::string Binary(std::string_view envelope, std::string_view chunk) {
    std::string frame;
    for (int shift = 24; shift >= 0; shift -= 8)
      frame.push_back(static_cast<char>(envelope.size() >> shift));
    return frame.append(envelope).append(chunk);
  }
  const std::string envelope_ =
      Frame("file_chunk",
            R"({"upload_id":"u","chunk_index":0,"checksum":")" + std::string(64, '0') + "\"}");
};

TEST_F(BinaryFrameTest, HoldsAnEnvelopeAndAChunk) {
  const std::string bytes("\0\xff{\"type\":", 10);
  const std::string frame = Binary(envelope_, bytes);
  ASSERT_TRUE(decoder_.DecodeBinary(frame, &message_, &error_)) << error_.field << error_.received;
  const auto& chunk = std::get<FileChunkMessage>(message_.body);
  EXPECT_TRUE(chunk.raw);
  EXPECT_EQ(chunk.data, bytes);
  EXPECT_EQ(chunk.upload_id, "u");
  EXPECT_EQ(message_.id, "m1");
  ASSERT_TRUE(decoder_.DecodeBinary(Binary(envelope_, ""), &message_, &error_));
}

TEST_F(BinaryFrameTest, RefusesAnythingElse) {
  const auto refuse = [&](std::string_view frame) -> const DecodeError& {
    EXPECT_FALSE(decoder_.DecodeBinary(frame, &message_, &error_));
    EXPECT_EQ(error_.code, ErrorCode::kInvalidMessageFormat);
    return error_;
  };
  EXPECT_EQ(refuse("").field, "$");
  EXPECT_EQ(refuse("abc").received, "3 bytes");
  EXPECT_EQ(refuse(std::string_view("\0\0\0\5{}", 6)).received, "a length of 5");
  EXPECT_EQ(refuse("\xff\xff\xff\xff{}").received, "a length of 4294967295");
  std::string long_envelope = envelope_;
  long_envelope.append(4097 - envelope_.size(), ' ');
  EXPECT_EQ(refuse(Binary(long_envelope, "x")).field, "$");
  long_envelope.pop_back();
  EXPECT_TRUE(decoder_.DecodeBinary(Binary(long_envelope, "x"), &message_, &error_));
  EXPECT_EQ(refuse(Binary("not JSON", "x")).expected, "valid JSON");
  EXPECT_EQ(refuse(Binary(Frame("heartbeat", "{}"), "x")).field, "type");
  const std::string with_data =
      Frame("file_chunk", R"({"upload_id":"u","chunk_index":0,"data":"aa","checksum":")" +
                              std::string(64, '0') + "\"}");
  EXPECT_EQ(refuse(Binary(with_data, "x")).field, "data.data");
  EXPECT_EQ(error_.original_id, "m1");

  decoder_.set_limits({.chunk = 3});
  EXPECT_TRUE(decoder_.DecodeBinary(Binary(envelope_, "123"), &message_, &error_));
  EXPECT_FALSE(decoder_.DecodeBinary(Binary(envelope_, "1234"), &message_, &error_));
  EXPECT_EQ(error_.code, ErrorCode::kMessageTooLarge);
}

// A large frame after a small one, so that the buffers grow, and many escapes, which are the most
// they must hold.
TEST_F(EnvelopeTest, GrowsItsBuffers) {
  Accept<HeartbeatMessage>(R"({"type":"heartbeat","id":"1"})");
  std::string token;
  for (int i = 0; i < 16384; ++i) token += "\\u0041";
  EXPECT_EQ(
      Accept<AuthRefreshMessage>(Frame("auth_refresh", "{\"token\":\"" + token + "\"}")).token,
      std::string(16384, 'A'));
  const std::string payload = "\"" + std::string(60'000, 'x') + "\"";
  EXPECT_EQ(
      Accept<RoomMessage>(
          Frame("room_message", R"({"room_id":"r","event_type":"e","payload":)" + payload + "}"))
          .payload,
      payload);
}

// Whatever comes, a decoder answers, and works for the next frame.
TEST_F(EnvelopeTest, SurvivesMutations) {
  const std::string seed =
      R"({"type":"subscribe","id":"i\u0041","data":{"stream_type":"logs","resource_id":"x","filters":{"tags":["a"],)"
      R"("fields":{"f":{"in":[1,"2"]}}},"options":{"resume":{"epoch":"e","offset":1}}},"metadata":{"ttl":5}})";
  const std::string bytes = "{}[]\",:\\ 0123456789-.eEtfnu\x01\x80\xff";
  std::mt19937_64 random(5);
  int accepted = 0;
  for (int round = 0; round < 50'000; ++round) {
    std::string frame = seed;
    for (uint64_t edits = 1 + random() % 3; edits > 0; --edits) {
      const size_t at = random() % frame.size();
      if (random() % 2 == 0) {
        frame[at] = bytes[random() % bytes.size()];
      } else {
        frame.erase(at, 1 + random() % 4);
      }
    }
    accepted += decoder_.Decode(frame, &message_, &error_);
  }
  EXPECT_GT(accepted, 1000);
  Accept<SubscribeMessage>(seed);
}

}  // namespace
}  // namespace covet::edge
