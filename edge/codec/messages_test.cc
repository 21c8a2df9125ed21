#include "edge/codec/messages.h"

#include <gtest/gtest.h>

#include <regex>
#include <string>
#include <vector>

#include "common/payload/json_scanner.h"
#include "edge/codec/envelope.h"

namespace covet::edge {
namespace {

constexpr int64_t kNow = 1757505600000;  // 2025-09-10T12:00:00Z

class FixedClock final : public Clock {
 public:
  int64_t WallMillis() const override { return kNow; }
  int64_t SteadyMicros() const override { return 0; }
};

class MessagesTest : public testing::Test {
 protected:
  // The message with its fresh id as ID and the fixed time as NOW, once it has been found to be
  // valid JSON.
  std::string Shape(const std::string& text) {
    EXPECT_TRUE(payload::ScanJson(text).ok()) << text;
    static const std::regex id("\"m_[A-Za-z0-9_-]{10}-[0-9a-f]+\"");
    static const std::regex now("\"2025-09-10T12:00:00.000Z\"");
    return std::regex_replace(
        std::regex_replace(text, id, "ID", std::regex_constants::format_first_only), now, "NOW");
  }

  // What a reader sees whose head goes at the splice position.
  std::string Spliced(const EncodedMessage& message, std::string_view head) {
    std::string text = message.text;
    EXPECT_NE(message.splice, Frame::kNoSplice);
    text.insert(message.splice, head);
    return text;
  }

  SeededIds random_{1};
  MessageIds ids_{random_};
  FixedClock clock_;
  MessageEncoder encoder_{&ids_, &clock_};
  const ReplyTo correlated_{"q1", "c1"};
  const ReplyTo plain_{"q\"1", ""};
};

TEST_F(MessagesTest, ConnectionAck) {
  const std::string_view capabilities[] = {"rooms", "notifications", "resume"};
  ConnectionAck ack{.session_id = "sess_a",
                    .user_id = "user_\"1",
                    .capabilities = capabilities,
                    .heartbeat_interval_ms = 30000,
                    .resume_window_ms = 86400000};
  EXPECT_EQ(
      Shape(encoder_.Connection(ack)),
      R"({"type":"connection_ack","id":ID,"timestamp":NOW,"data":{"session_id":"sess_a","user_id":"user_\"1",)"
      R"("capabilities":["rooms","notifications","resume"],"heartbeat_interval":30000,"resume_window":86400000,)"
      R"("limits":{}}})");
  ack.limits = {
      .message_bytes = 1048576, .json_depth = 64, .rooms = 100, .messages_per_minute = 100};
  EXPECT_NE(
      encoder_.Connection(ack).find(
          R"("limits":{"message_bytes":1048576,"json_depth":64,"rooms":100,"messages_per_minute":100}}})"),
      std::string::npos);
}

TEST_F(MessagesTest, Subscribed) {
  EXPECT_EQ(
      Shape(encoder_.Subscribed({.subscription_id = "sub_\"1",
                                 .stream_type = "metrics",
                                 .resource_id = "db_conn_123",
                                 .epoch = "e1",
                                 .offset = 7,
                                 .recovered = true},
                                correlated_)),
      R"({"type":"subscribed","id":ID,"timestamp":NOW,"data":{"subscription_id":"sub_\"1",)"
      R"("stream_type":"metrics","resource_id":"db_conn_123","epoch":"e1","offset":7,"recovered":true},)"
      R"("metadata":{"in_reply_to":"q1","correlation_id":"c1"}})");
}

TEST_F(MessagesTest, StreamDataHasItsSubscriptionFirst) {
  StreamDataMessage data{.stream_type = "metrics",
                         .resource_id = "db_conn_123",
                         .epoch = "e1",
                         .first_offset = 3,
                         .last_offset = 9,
                         .batch = {R"({"cpu_usage":45.2})", "{}"}};
  EXPECT_EQ(
      Shape(Spliced(encoder_.StreamData(data), SubscriptionHead("sub_12345"))),
      R"({"type":"stream_data","id":ID,"timestamp":NOW,"data":{"subscription_id":"sub_12345",)"
      R"("stream_type":"metrics","resource_id":"db_conn_123","epoch":"e1","first_offset":3,"last_offset":9,)"
      R"("batch":[{"cpu_usage":45.2},{}]}})");
  data.gap = true;
  data.batch.clear();
  EXPECT_NE(encoder_.StreamData(data).text.find(R"("last_offset":9,"gap":true,"batch":[]}})"),
            std::string::npos);
}

TEST_F(MessagesTest, EveryMessageHasAnIdOfItsOwn) {
  EXPECT_NE(encoder_.Heartbeat(1), encoder_.Heartbeat(1));
}

TEST_F(MessagesTest, Heartbeats) {
  EXPECT_EQ(Shape(encoder_.Heartbeat(42)),
            R"({"type":"heartbeat","id":ID,"timestamp":NOW,"data":{"sequence":42}})");
  EXPECT_EQ(Shape(encoder_.HeartbeatReply(7, correlated_)),
            R"({"type":"heartbeat","id":ID,"timestamp":NOW,"data":{"sequence":7},)"
            R"("metadata":{"in_reply_to":"q1","correlation_id":"c1"}})");
  EXPECT_EQ(Shape(encoder_.HeartbeatReply(std::nullopt, plain_)),
            R"({"type":"heartbeat","id":ID,"timestamp":NOW,"data":{},)"
            R"("metadata":{"in_reply_to":"q\"1","correlation_id":"q\"1"}})");
}

TEST_F(MessagesTest, Uploads) {
  const std::pair<int64_t, int64_t> received[] = {{0, 4}, {7, 7}};
  EXPECT_EQ(
      Shape(encoder_.FileUploadReady({.upload_id = "u\"1",
                                      .chunk_size = 64000,
                                      .total_chunks = 17,
                                      .received = received,
                                      .window = 16,
                                      .expires_at_ms = 1'757'509'200'000},
                                     correlated_)),
      R"({"type":"file_upload_ready","id":ID,"timestamp":NOW,"data":{"upload_id":"u\"1","chunk_size":64000,)"
      R"("total_chunks":17,"received":[[0,4],[7,7]],"window":16,"expires_at":"2025-09-10T13:00:00.000Z"},)"
      R"("metadata":{"in_reply_to":"q1","correlation_id":"c1"}})");
  EXPECT_EQ(
      Shape(encoder_.FileChunkAck({"u", 3, 4, 17}, correlated_)),
      R"({"type":"file_chunk_ack","id":ID,"timestamp":NOW,"data":{"upload_id":"u","chunk_index":3,)"
      R"("received_chunks":4,"total_chunks":17},"metadata":{"in_reply_to":"q1","correlation_id":"c1"}})");
  EXPECT_EQ(Shape(encoder_.FileUploadCancelled("u", correlated_)),
            R"({"type":"file_upload_cancelled","id":ID,"timestamp":NOW,"data":{"upload_id":"u"},)"
            R"("metadata":{"in_reply_to":"q1","correlation_id":"c1"}})");
  EXPECT_EQ(
      Shape(encoder_.FileUploadComplete({"u", "file_a", "http://h/f", "queued"}, nullptr)),
      R"({"type":"file_upload_complete","id":ID,"timestamp":NOW,"data":{"upload_id":"u","file_id":"file_a",)"
      R"("url":"http://h/f","processing_status":"queued"}})");
  EXPECT_EQ(
      Shape(encoder_.FileStatus({"u", "file_a", "completed", R"({"a":1})"})),
      R"({"type":"file_status","id":ID,"timestamp":NOW,"data":{"upload_id":"u","file_id":"file_a",)"
      R"("processing_status":"completed","details":{"a":1}}})");
}

TEST_F(MessagesTest, Error) {
  const ErrorMessage error{
      .code = "INVALID_MESSAGE_FORMAT",
      .message = "Message format is invalid",
      .details = {{"field", "data.resource_id"}, {"expected", "string"}, {"received", "null"}}};
  EXPECT_EQ(
      Shape(encoder_.Error(error, correlated_)),
      R"({"type":"error","id":ID,"timestamp":NOW,"data":{"error_code":"INVALID_MESSAGE_FORMAT",)"
      R"("error_message":"Message format is invalid","original_message_id":"q1",)"
      R"("details":{"expected":"string","field":"data.resource_id","received":"null"},"recoverable":false},)"
      R"("metadata":{"in_reply_to":"q1","correlation_id":"c1"}})");
  EXPECT_EQ(
      Shape(encoder_.Error({.code = "AUTH_FAILED", .message = "m"}, {})),
      R"({"type":"error","id":ID,"timestamp":NOW,"data":{"error_code":"AUTH_FAILED","error_message":"m",)"
      R"("details":{},"recoverable":false}})");
}

TEST_F(MessagesTest, ErrorsFromInside) {
  DecodeError refused;
  refused.code = ErrorCode::kSubscriptionFailed;
  refused.message = "Filter is not usable";
  refused.field = "data.filters";
  refused.reason = "BAD_FILTER";
  const ErrorMessage decoded = ToErrorMessage(refused);
  EXPECT_EQ(decoded.code, "SUBSCRIPTION_FAILED");
  EXPECT_EQ(decoded.message, "Filter is not usable");
  EXPECT_EQ(decoded.details, refused.Details());
  const ErrorMessage wrong_owner =
      ToErrorMessage(MakeError(ErrorCode::kWrongOwner, "moved", {{"slot", "5"}}));
  EXPECT_EQ(wrong_owner.code, "UNAVAILABLE");
  EXPECT_EQ(wrong_owner.message, "moved");
  EXPECT_EQ(wrong_owner.details, (ErrorDetails{{"slot", "5"}}));
}

TEST_F(MessagesTest, RateLimited) {
  const ErrorMessage error{.code = "RATE_LIMITED",
                           .message = "m",
                           .details = {{"scope", "messages"}},
                           .rate_limit = RateLimit{100, 0, kNow + 60000}};
  EXPECT_EQ(
      Shape(encoder_.Error(error, correlated_)),
      R"({"type":"error","id":ID,"timestamp":NOW,"data":{"error_code":"RATE_LIMITED","error_message":"m",)"
      R"("original_message_id":"q1","details":{"scope":"messages"},"recoverable":true,)"
      R"("rate_limit":{"limit":100,"remaining":0,"reset":"2025-09-10T12:01:00.000Z"}},)"
      R"("metadata":{"in_reply_to":"q1","correlation_id":"c1"}})");
  EXPECT_EQ(
      Shape(encoder_.RpcError(error, correlated_)),
      R"({"type":"rpc_error","id":"q1","timestamp":NOW,"data":{"error":{"code":"RATE_LIMITED","message":"m",)"
      R"("details":{"scope":"messages"},"recoverable":true,)"
      R"("rate_limit":{"limit":100,"remaining":0,"reset":"2025-09-10T12:01:00.000Z"}}},)"
      R"("metadata":{"in_reply_to":"q1","correlation_id":"c1"}})");
}

TEST_F(MessagesTest, RpcErrorOfABackend) {
  EXPECT_EQ(
      Shape(encoder_.RpcError({.code = "CONNECTION_FAILED", .message = "no"}, plain_)),
      R"({"type":"rpc_error","id":"q\"1","timestamp":NOW,"data":{"error":{"code":"CONNECTION_FAILED",)"
      R"("message":"no","details":{}}},"metadata":{"in_reply_to":"q\"1","correlation_id":"q\"1"}})");
}

TEST_F(MessagesTest, RoomJoined) {
  const std::vector<std::string> permissions = {"read", "write"};
  const RoomJoined joined{.room_id = "project_123",
                          .member_count = 15,
                          .permissions = permissions,
                          .room_metadata = R"({"name":"Project Alpha"})",
                          .epoch = "Ep",
                          .offset = 9,
                          .recovered = true};
  EXPECT_EQ(
      Shape(encoder_.Joined(joined, correlated_)),
      R"({"type":"room_joined","id":ID,"timestamp":NOW,"data":{"room_id":"project_123","member_count":15,)"
      R"("permissions":["read","write"],"room_metadata":{"name":"Project Alpha"},"epoch":"Ep","offset":9,)"
      R"("recovered":true},"metadata":{"in_reply_to":"q1","correlation_id":"c1"}})");
}

TEST_F(MessagesTest, RoomLeft) {
  EXPECT_EQ(Shape(encoder_.Left("r", "left", &correlated_)),
            R"({"type":"room_left","id":ID,"timestamp":NOW,"data":{"room_id":"r","reason":"left"},)"
            R"("metadata":{"in_reply_to":"q1","correlation_id":"c1"}})");
  EXPECT_EQ(
      Shape(encoder_.Left("r", "deleted", nullptr)),
      R"({"type":"room_left","id":ID,"timestamp":NOW,"data":{"room_id":"r","reason":"deleted"}})");
}

TEST_F(MessagesTest, RoomMessageAck) {
  EXPECT_EQ(
      Shape(encoder_.MessageAck("r", 12, false, correlated_)),
      R"({"type":"room_message_ack","id":ID,"timestamp":NOW,"data":{"room_id":"r","offset":12},)"
      R"("metadata":{"in_reply_to":"q1","correlation_id":"c1"}})");
  EXPECT_NE(
      encoder_.MessageAck("r", 12, true, correlated_).find(R"("offset":12,"duplicate":true})"),
      std::string::npos);
}

TEST_F(MessagesTest, RoomEvent) {
  RoomEvent event{.room_id = "r",
                  .epoch = "Ep-_1",
                  .offset = 1234567890123,
                  .event_type = "data_update",
                  .user_id = "u\"",
                  .session_id = "s",
                  .payload = R"({"n": 123456789012345678901234567890})",
                  .time_ms = kNow,
                  .priority = Priority::kHigh,
                  .correlation_id = "c"};
  const EncodedMessage message = EncodeRoomEvent(event);
  EXPECT_EQ(
      Shape(message.text),
      R"({"type":"room_event","id":"ev_Ep-_1_1234567890123","timestamp":NOW,"data":{"room_id":"r",)"
      R"("event_type":"data_update","offset":1234567890123,"epoch":"Ep-_1",)"
      R"("sender":{"user_id":"u\"","session_id":"s"},"payload":{"n": 123456789012345678901234567890}},)"
      R"("metadata":{"priority":"high","correlation_id":"c"}})");
  EXPECT_EQ(EncodeRoomEvent(event).text, message.text);
  const std::string replayed = Spliced(message, kReplayedHead);
  EXPECT_NE(Shape(replayed).find(R"("data":{"replayed":true,"room_id":"r",)"), std::string::npos);
  EXPECT_NE(Shape(Spliced(message, "\"dropped\":3,")).find(R"("data":{"dropped":3,"room_id":"r",)"),
            std::string::npos);

  event.priority = Priority::kNormal;
  event.correlation_id = "";
  event.session_id = "";
  EXPECT_EQ(
      Shape(EncodeRoomEvent(event).text),
      R"({"type":"room_event","id":"ev_Ep-_1_1234567890123","timestamp":NOW,"data":{"room_id":"r",)"
      R"("event_type":"data_update","offset":1234567890123,"epoch":"Ep-_1","sender":{"user_id":"u\""},)"
      R"("payload":{"n": 123456789012345678901234567890}}})");
}

TEST_F(MessagesTest, Presence) {
  const EncodedMessage joined = encoder_.Activity(
      {.room_id = "r", .action = "joined", .user_id = "u", .member_count = 3, .time_ms = kNow});
  EXPECT_EQ(
      Shape(joined.text),
      R"({"type":"room_event","id":ID,"timestamp":NOW,"data":{"room_id":"r","event_type":"user_activity",)"
      R"("payload":{"action":"joined","user_id":"u","member_count":3}}})");
  EXPECT_NE(Shape(Spliced(joined, "\"dropped\":1,")).find(R"("data":{"dropped":1,"room_id")"),
            std::string::npos);
  EXPECT_NE(
      encoder_.Activity({.room_id = "r", .action = "count", .member_count = 300, .time_ms = kNow})
          .text.find(R"("payload":{"action":"count","member_count":300}}})"),
      std::string::npos);
}

TEST_F(MessagesTest, RoomMetrics) {
  const EncodedMessage message = encoder_.RoomMetrics("project_123", R"({"members":3})");
  EXPECT_EQ(Shape(message.text),
            R"({"type":"stream_data","id":ID,"timestamp":NOW,"data":{"stream_type":"metrics",)"
            R"("resource_id":"room:project_123","batch":[{"members":3}]}})");
  EXPECT_NE(Shape(Spliced(message, SubscriptionHead("jr \"1\"")))
                .find(R"("data":{"subscription_id":"jr \"1\"","stream_type":"metrics")"),
            std::string::npos);
}

TEST_F(MessagesTest, Unsubscribed) {
  EXPECT_EQ(
      Shape(encoder_.Unsubscribed("s", "unsubscribed", &correlated_)),
      R"({"type":"unsubscribed","id":ID,"timestamp":NOW,"data":{"subscription_id":"s","reason":"unsubscribed"},)"
      R"("metadata":{"in_reply_to":"q1","correlation_id":"c1"}})");
  EXPECT_EQ(encoder_.Unsubscribed("s", "reset", nullptr).find("metadata"), std::string::npos);
}

TEST_F(MessagesTest, Notification) {
  const NotificationAction actions[] = {{"View \"it\"", "show", R"({"resource_id":"db"})"},
                                        {"No", "dismiss", ""}};
  NotificationMessage notification{.notification_id = "n1",
                                   .notification_type = "info",
                                   .title = "T\n",
                                   .message = "M",
                                   .category = "database",
                                   .actions = actions,
                                   .auto_dismiss = true,
                                   .dismiss_after_ms = 5000,
                                   .time_ms = kNow,
                                   .priority = Priority::kLow,
                                   .correlation_id = "c"};
  EXPECT_EQ(
      Shape(encoder_.Notification(notification)),
      R"({"type":"notification","id":ID,"timestamp":NOW,"data":{"notification_id":"n1",)"
      R"("notification_type":"info","title":"T\n","message":"M","category":"database","actions":[)"
      R"({"label":"View \"it\"","action":"show","params":{"resource_id":"db"}},{"label":"No","action":"dismiss"}],)"
      R"("auto_dismiss":true,"dismiss_after":5000},"metadata":{"priority":"low","correlation_id":"c"}})");
  EXPECT_EQ(Shape(encoder_.Notification({.notification_id = "n",
                                         .notification_type = "error",
                                         .title = "t",
                                         .message = "m",
                                         .time_ms = kNow})),
            R"({"type":"notification","id":ID,"timestamp":NOW,"data":{"notification_id":"n",)"
            R"("notification_type":"error","title":"t","message":"m","auto_dismiss":false}})");
  EXPECT_EQ(
      Shape(encoder_.NotificationRead("n")),
      R"({"type":"notification_read","id":ID,"timestamp":NOW,"data":{"notification_id":"n"}})");
}

TEST_F(MessagesTest, Credentials) {
  EXPECT_EQ(
      Shape(encoder_.AuthExpiring(kNow + 1)),
      R"({"type":"auth_expiring","id":ID,"timestamp":NOW,"data":{"expires_at":"2025-09-10T12:00:00.001Z"}})");
  EXPECT_EQ(
      Shape(encoder_.AuthRefreshed(kNow + 1, correlated_)),
      R"({"type":"auth_refreshed","id":ID,"timestamp":NOW,"data":{"expires_at":"2025-09-10T12:00:00.001Z"},)"
      R"("metadata":{"in_reply_to":"q1","correlation_id":"c1"}})");
  EXPECT_NE(encoder_.AuthRefreshed(0, correlated_).find(R"("data":{},)"), std::string::npos);
}

}  // namespace
}  // namespace covet::edge
