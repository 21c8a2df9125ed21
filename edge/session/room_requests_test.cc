#include "edge/session/room_requests.h"

#include <string>

#include "edge/session/testing/session_fixture.h"

namespace covet::edge {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

class RoomRequestsTest : public SessionFixture {
 protected:
  void Leave(const std::string& room, const std::string& id = "l") {
    Text(R"({"type":"leave_room","id":")" + id + R"(","data":{"room_id":")" + room + R"("}})");
  }
  void Unsubscribe(const std::string& subscription, const std::string& id = "u") {
    Text(R"({"type":"unsubscribe","id":")" + id + R"(","data":{"subscription_id":")" +
         subscription + R"("}})");
  }
  // Joins and takes the room_joined.
  void JoinDone(const std::string& room, const std::string& id, const std::string& options = "") {
    Join(room, id, options);
    rooms_.joins.back().done({});
    EXPECT_EQ(At(Take().text, "/type"), "room_joined");
  }

  static RoomError Error(const std::string& code) { return {code, "no", {{"reason", "X"}}}; }
};

constexpr char kMetrics[] = R"({"subscribe_to_metrics":true})";

TEST_F(RoomRequestsTest, JoinsWithItsOptions) {
  OpenQuietly();
  Text(R"({"type":"join_room","id":"j","data":{"room_id":"project_123","options":{
       "filter":{"event_types":["a","b"]},"resume":{"epoch":"e","offset":7},"history":3,
       "subscribe_to_metrics":true}},"metadata":{"correlation_id":"c"}})");
  ASSERT_THAT(rooms_.joins, SizeIs(1));
  const JoinParams& params = rooms_.joins[0].params;
  EXPECT_EQ(params.room_id, "project_123");
  EXPECT_EQ(params.request_id, "j");
  EXPECT_EQ(params.correlation_id, "c");
  EXPECT_TRUE(params.has_filter);
  EXPECT_THAT(params.event_types, ElementsAre("a", "b"));
  EXPECT_TRUE(params.has_resume);
  EXPECT_EQ(params.resume_epoch, "e");
  EXPECT_EQ(params.resume_offset, 7);
  EXPECT_EQ(params.history, 3);
  EXPECT_TRUE(params.subscribe_to_metrics);

  JoinResult result;
  result.epoch = "e";
  result.offset = 9;
  result.recovered = true;
  result.member_count = 2;
  result.permissions = {"read", "write"};
  result.metadata_json = R"({"name":"Project Alpha"})";
  rooms_.joins[0].done(result);
  const FakeConnection::Sent joined = Take();
  EXPECT_EQ(joined.lane, Lane::kOrdered);
  EXPECT_FALSE(joined.droppable);
  EXPECT_EQ(At(joined.text, "/type"), "room_joined");
  EXPECT_EQ(At(joined.text, "/data/room_id"), "project_123");
  EXPECT_EQ(At(joined.text, "/data/member_count"), "2");
  EXPECT_EQ(At(joined.text, "/data/permissions"), R"(["read","write"])");
  EXPECT_EQ(At(joined.text, "/data/room_metadata/name"), "Project Alpha");
  EXPECT_EQ(At(joined.text, "/data/epoch"), "e");
  EXPECT_EQ(At(joined.text, "/data/offset"), "9");
  EXPECT_EQ(At(joined.text, "/data/recovered"), "true");
  EXPECT_EQ(At(joined.text, "/metadata/in_reply_to"), "j");
  EXPECT_EQ(At(joined.text, "/metadata/correlation_id"), "c");
}

TEST_F(RoomRequestsTest, RefusalsOfTheOwnerGoOutAsTheyAre) {
  OpenQuietly();
  Join("r");
  JoinResult refused;
  refused.error = Error("ROOM_NOT_FOUND");
  rooms_.joins[0].done(refused);
  const FakeConnection::Sent error = Take();
  ExpectError(error, "ROOM_NOT_FOUND", "j");
  EXPECT_EQ(At(error.text, "/data/details/reason"), "X");
  EXPECT_EQ(At(error.text, "/metadata/correlation_id"), "j");
  // Not a member: leaving needs no owner.
  Leave("r");
  EXPECT_THAT(rooms_.leaves, IsEmpty());
  EXPECT_EQ(At(Take().text, "/data/reason"), "left");
}

TEST_F(RoomRequestsTest, PublishesAndAcknowledges) {
  OpenQuietly();
  Text(
      R"({"type":"room_message","id":"m","data":{"room_id":"r","event_type":"t","payload": {"a":1e999},
       "idempotency_key":"k"},"metadata":{"correlation_id":"c","priority":"high","ttl":5000}})");
  ASSERT_THAT(rooms_.publishes, SizeIs(1));
  const PublishParams& params = rooms_.publishes[0].params;
  EXPECT_EQ(params.room_id, "r");
  EXPECT_EQ(params.event_type, "t");
  EXPECT_EQ(params.payload, R"({"a":1e999})");
  EXPECT_EQ(params.idempotency_key, "k");
  EXPECT_EQ(params.correlation_id, "c");
  EXPECT_EQ(params.priority, Priority::kHigh);
  EXPECT_EQ(params.ttl_ms, 5000);
  rooms_.publishes[0].done({.error = {}, .offset = 44, .duplicate = true});
  const FakeConnection::Sent ack = Take();
  EXPECT_EQ(ack.lane, Lane::kReply);
  EXPECT_EQ(ack.priority, Priority::kHigh);
  EXPECT_EQ(At(ack.text, "/type"), "room_message_ack");
  EXPECT_EQ(At(ack.text, "/data/offset"), "44");
  EXPECT_EQ(At(ack.text, "/data/duplicate"), "true");
  EXPECT_EQ(At(ack.text, "/metadata/in_reply_to"), "m");

  Publish("n");
  EXPECT_EQ(rooms_.publishes[1].params.correlation_id, "");
  rooms_.publishes[1].done({.error = Error("PERMISSION_DENIED"), .offset = 0, .duplicate = false});
  ExpectError(Take(), "PERMISSION_DENIED", "n");
}

TEST_F(RoomRequestsTest, LeavesInOrder) {
  OpenQuietly();
  JoinDone("r", "j");
  Leave("r");
  ASSERT_THAT(rooms_.leaves, SizeIs(1));
  rooms_.leaves[0].done(Error("UNAVAILABLE"));
  ExpectError(Take(), "UNAVAILABLE", "l");
  // Still a member.
  Leave("r");
  ASSERT_THAT(rooms_.leaves, SizeIs(2));
  rooms_.leaves[1].done({});
  const FakeConnection::Sent left = Take();
  EXPECT_EQ(left.lane, Lane::kOrdered);
  EXPECT_EQ(At(left.text, "/data/reason"), "left");
  EXPECT_EQ(At(left.text, "/metadata/in_reply_to"), "l");
}

TEST_F(RoomRequestsTest, AMembershipThatTheServerEndsIsTold) {
  OpenQuietly();
  JoinDone("r", "j", kMetrics);
  session_->OnRoomLeft("r", "removed");
  const FakeConnection::Sent left = Take();
  EXPECT_EQ(left.lane, Lane::kOrdered);
  EXPECT_EQ(At(left.text, "/data/reason"), "removed");
  EXPECT_EQ(At(left.text, "/metadata"), "");
  // Its metrics ended with it.
  JoinDone("r", "j");
}

TEST_F(RoomRequestsTest, RoomsOfAConnectionAreLimited) {
  SessionSettings settings;
  settings.rooms_per_connection = 2;
  Restart(settings);
  OpenQuietly();
  JoinDone("a", "1");
  Join("b", "2");  // Under way, and counted.
  Join("c", "3");
  const FakeConnection::Sent error = Take();
  ExpectError(error, "CONFLICT", "3");
  EXPECT_EQ(At(error.text, "/data/details/reason"), "TOO_MANY");
  Join("a", "4");  // Joining again is no further room.
  EXPECT_THAT(rooms_.joins, SizeIs(3));
  JoinResult refused;
  refused.error = Error("ROOM_NOT_FOUND");
  rooms_.joins[1].done(refused);
  Join("c", "5");
  EXPECT_THAT(rooms_.joins, SizeIs(4));
}

TEST_F(RoomRequestsTest, MetricsHoldTheirIdUntilTheyEnd) {
  OpenQuietly();
  JoinDone("r", "mine", kMetrics);
  Publish("mine");
  ExpectError(Take(), "CONFLICT", "mine");
  Unsubscribe("mine");
  EXPECT_THAT(rooms_.ended_metrics, ElementsAre("mine"));
  const FakeConnection::Sent ended = Take();
  EXPECT_EQ(ended.lane, Lane::kOrdered);
  EXPECT_EQ(At(ended.text, "/type"), "unsubscribed");
  EXPECT_EQ(At(ended.text, "/data/subscription_id"), "mine");
  EXPECT_EQ(At(ended.text, "/metadata/in_reply_to"), "u");
  Unsubscribe("mine");
  ExpectError(Take(), "NOT_FOUND", "u");
  Publish("mine");
  EXPECT_THAT(rooms_.publishes, SizeIs(1));
}

TEST_F(RoomRequestsTest, JoiningAgainReplacesTheMetrics) {
  OpenQuietly();
  JoinDone("r", "one", kMetrics);
  JoinDone("r", "two", kMetrics);
  Publish("one");
  EXPECT_THAT(rooms_.publishes, SizeIs(1));
  Publish("two");
  ExpectError(Take(), "CONFLICT", "two");
  JoinDone("r", "three");
  Publish("two");
  EXPECT_THAT(rooms_.publishes, SizeIs(2));
}

TEST_F(RoomRequestsTest, MetricsMayEndBeforeTheirJoinIsAnswered) {
  OpenQuietly();
  Join("r", "j", kMetrics);
  Unsubscribe("j");
  EXPECT_THAT(connection_.sent, IsEmpty());
  rooms_.joins[0].done({});
  EXPECT_EQ(At(Take().text, "/type"), "room_joined");
  EXPECT_EQ(At(Take().text, "/type"), "unsubscribed");
  EXPECT_THAT(rooms_.ended_metrics, ElementsAre("j"));

  Join("x", "k", kMetrics);
  Unsubscribe("k");
  JoinResult refused;
  refused.error = Error("PERMISSION_DENIED");
  rooms_.joins[1].done(refused);
  ExpectError(Take(), "PERMISSION_DENIED", "k");
  ExpectError(Take(), "NOT_FOUND", "u");
}

TEST_F(RoomRequestsTest, LeavesAndJoinsCrossing) {
  OpenQuietly();
  Join("r", "1");
  Leave("r", "2");
  Join("r", "3");
  rooms_.joins[0].done({});
  rooms_.leaves[0].done({});
  rooms_.joins[1].done({});
  EXPECT_EQ(At(Take().text, "/metadata/in_reply_to"), "1");
  EXPECT_EQ(At(Take().text, "/metadata/in_reply_to"), "2");
  EXPECT_EQ(At(Take().text, "/metadata/in_reply_to"), "3");
  // A member after all.
  Leave("r", "4");
  EXPECT_THAT(rooms_.leaves, SizeIs(2));
}

}  // namespace
}  // namespace covet::edge
