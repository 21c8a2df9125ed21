#include "edge/session/session.h"

#include <string>

#include "edge/session/testing/session_fixture.h"

namespace covet::edge {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

using SessionTest = SessionFixture;

TEST_F(SessionTest, IsSmall) { EXPECT_LE(sizeof(Session), 512u); }

TEST_F(SessionTest, AcknowledgesFirst) {
  Session& session = Open();
  const FakeConnection::Sent ack = Take();
  EXPECT_EQ(At(ack.text, "/type"), "connection_ack");
  EXPECT_EQ(At(ack.text, "/data/session_id"), session.id());
  EXPECT_THAT(session.id(), testing::StartsWith("sess_"));
  EXPECT_EQ(At(ack.text, "/data/user_id"), "user_1");
  EXPECT_EQ(At(ack.text, "/data/capabilities"), R"(["rooms","notifications","resume"])");
  EXPECT_EQ(At(ack.text, "/data/heartbeat_interval"), "30000");
  EXPECT_EQ(At(ack.text, "/data/resume_window"), "86400000");
  EXPECT_THAT(connection_.sent, IsEmpty());
  EXPECT_EQ(connection_.max_message_bytes, size_t{1} << 20);
  EXPECT_EQ(rooms_.subscriber, &session);
  EXPECT_EQ(rooms_.identities.front().session_id(), session.id());
}

TEST_F(SessionTest, AnswersHeartbeatsButNoAnswers) {
  OpenQuietly();
  Text(R"({"type":"heartbeat","id":"h","data":{"sequence":41}})");
  const std::string answer = Take().text;
  EXPECT_EQ(At(answer, "/data/sequence"), "41");
  EXPECT_EQ(At(answer, "/metadata/in_reply_to"), "h");
  Text(R"({"type":"heartbeat","id":"a","data":{"sequence":1},"metadata":{"in_reply_to":"m"}})");
  EXPECT_THAT(connection_.sent, IsEmpty());
}

TEST_F(SessionTest, SendsHeartbeatsAndPings) {
  OpenQuietly();
  Tick(29'999);
  EXPECT_THAT(connection_.sent, IsEmpty());
  Tick(1);
  EXPECT_EQ(At(Take().text, "/data/sequence"), "1");
  EXPECT_THAT(connection_.pings, SizeIs(1));
  Tick(1'000);
  EXPECT_THAT(connection_.sent, IsEmpty());
  Tick(29'000);
  EXPECT_EQ(At(Take().text, "/data/sequence"), "2");
  // One that is late does not bring the missed ones with it.
  Tick(300'000);
  Tick(1'000);
  EXPECT_THAT(connection_.sent, SizeIs(2));
}

TEST_F(SessionTest, MalformedMessagesNameTheirField) {
  OpenQuietly();
  Text(R"({"type":"join_room","id":"x","data":{"room_id":5},"metadata":{"correlation_id":"c"}})");
  const FakeConnection::Sent error = Take();
  ExpectError(error, "INVALID_MESSAGE_FORMAT", "x");
  EXPECT_EQ(At(error.text, "/data/details/field"), "data.room_id");
  EXPECT_EQ(At(error.text, "/data/details/expected"), "string");
  EXPECT_EQ(At(error.text, "/metadata/correlation_id"), "c");
  Text("{");
  ExpectError(Take(), "INVALID_MESSAGE_FORMAT", "");
  EXPECT_FALSE(connection_.closed);
}

TEST_F(SessionTest, IdsInUseAreRefused) {
  OpenQuietly();
  Join("a", "same");
  Publish("same");
  ExpectError(Take(), "CONFLICT", "same");
  EXPECT_THAT(rooms_.publishes, IsEmpty());
  rooms_.joins[0].done({});
  Take();
  Publish("same");
  EXPECT_THAT(rooms_.publishes, SizeIs(1));
  // An rpc_call that is refused still ends in an rpc_error.
  Text(R"({"type":"rpc_call","id":"same","data":{"method":"m"}})");
  EXPECT_EQ(At(Take().text, "/data/error/code"), "CONFLICT");
}

TEST_F(SessionTest, WhatIsNotOfferedIsAnsweredHonestly) {
  OpenQuietly();
  Text(R"({"type":"subscribe","id":"s","data":{"stream_type":"metrics","resource_id":"db"}})");
  const FakeConnection::Sent refused = Take();
  ExpectError(refused, "SUBSCRIPTION_FAILED", "s");
  EXPECT_EQ(At(refused.text, "/data/details/reason"), "RESOURCE_NOT_FOUND");
  Text(R"({"type":"rpc_call","id":"c","data":{"method":"database.test"}})");
  const std::string rpc_error = Take().text;
  EXPECT_EQ(At(rpc_error, "/type"), "rpc_error");
  EXPECT_EQ(At(rpc_error, "/id"), "c");
  EXPECT_EQ(At(rpc_error, "/data/error/code"), "METHOD_NOT_FOUND");
  Text(R"({"type":"rpc_cancel","id":"x","data":{"call_id":"c"}})");
  EXPECT_THAT(connection_.sent, IsEmpty());
  Text(R"({"type":"file_upload_resume","id":"f","data":{"upload_id":"u"}})");
  ExpectError(Take(), "UNAVAILABLE", "f");
  session_->OnBinary("\0\0\0\2{}");
  ExpectError(Take(), "INVALID_MESSAGE_FORMAT", "");
}

TEST_F(SessionTest, HoldsMessagesToTheirRate) {
  SessionSettings settings;
  settings.messages = limits::Rate::Of(2, absl::Minutes(1));
  Restart(settings);
  OpenQuietly();
  Publish("1");
  Publish("2");
  Publish("3");
  const FakeConnection::Sent refused = Take();
  ExpectError(refused, "RATE_LIMITED", "3");
  EXPECT_EQ(At(refused.text, "/data/recoverable"), "true");
  EXPECT_EQ(At(refused.text, "/data/details/scope"), "messages");
  EXPECT_EQ(At(refused.text, "/data/rate_limit/limit"), "2");
  EXPECT_EQ(At(refused.text, "/data/rate_limit/remaining"), "0");
  EXPECT_EQ(At(refused.text, "/data/rate_limit/reset"), "2025-09-10T12:00:30.001Z");
  EXPECT_THAT(rooms_.publishes, SizeIs(2));
  // Not counted.
  Text(R"({"type":"heartbeat","id":"h"})");
  EXPECT_EQ(At(Take().text, "/type"), "heartbeat");
  Text(R"({"type":"leave_room","id":"l","data":{"room_id":"r"}})");
  EXPECT_EQ(At(Take().text, "/type"), "room_left");
  clock_.AdvanceMillis(30'000);
  Publish("3");
  EXPECT_THAT(rooms_.publishes, SizeIs(3));
}

TEST_F(SessionTest, CallsCountInBothRates) {
  SessionSettings settings;
  settings.messages = limits::Rate::Of(3, absl::Minutes(1));
  settings.rpc_calls = limits::Rate::Of(2, absl::Minutes(1));
  Restart(settings);
  OpenQuietly();
  const std::string call = R"({"type":"rpc_call","id":"c","data":{"method":"m"}})";
  for (int i = 0; i < 2; ++i) {
    Text(call);
    EXPECT_EQ(At(Take().text, "/data/error/code"), "METHOD_NOT_FOUND");
  }
  Text(call);
  const std::string refused = Take().text;
  EXPECT_EQ(At(refused, "/type"), "rpc_error");
  EXPECT_EQ(At(refused, "/data/error/code"), "RATE_LIMITED");
  EXPECT_EQ(At(refused, "/data/error/details/scope"), "rpc_calls");
  EXPECT_EQ(At(refused, "/data/error/rate_limit/limit"), "2");
  // What was refused costs nothing: one message is left.
  Publish("1");
  EXPECT_THAT(rooms_.publishes, SizeIs(1));
  Text(call);
  EXPECT_EQ(At(Take().text, "/data/error/details/scope"), "messages");
  // Calls are counted by user: another session of the same one has none left.
  OpenQuietly();
  Text(call);
  EXPECT_EQ(At(Take().text, "/data/error/details/scope"), "rpc_calls");
}

TEST_F(SessionTest, ResumingJoinsAreNotCountedAtFirst) {
  SessionSettings settings;
  settings.messages = limits::Rate::Of(1, absl::Minutes(60));
  settings.rooms_per_connection = 3;
  Restart(settings);
  OpenQuietly();
  const std::string resume = R"({"resume":{"epoch":"e","offset":1}})";
  for (int i = 0; i < 3; ++i) Join("same", std::to_string(i), resume);
  EXPECT_THAT(rooms_.joins, SizeIs(3));
  // Beyond the room limit they are counted.
  Join("same", "3", resume);
  EXPECT_THAT(rooms_.joins, SizeIs(4));
  Join("same", "4", resume);
  ExpectError(Take(), "RATE_LIMITED", "4");

  OpenQuietly();
  clock_.AdvanceMillis(29'999);
  Join("same", "0", resume);
  Join("same", "1", resume);
  clock_.AdvanceMillis(1);
  Join("same", "2", resume);
  Join("same", "3", resume);
  ExpectError(Take(), "RATE_LIMITED", "3");
}

TEST_F(SessionTest, ReloadedLimitsHoldAtOnce) {
  OpenQuietly();
  SessionSettings settings;
  settings.messages = limits::Rate::Of(1, absl::Minutes(1));
  settings.decode.room_payload = 3;
  shared_->settings.Set(std::make_shared<const SessionSettings>(settings));
  Text(
      R"({"type":"room_message","id":"b","data":{"room_id":"r","event_type":"t","payload":1234}})");
  ExpectError(Take(), "MESSAGE_TOO_LARGE", "b");
  Publish("1");
  Publish("2");
  ExpectError(Take(), "RATE_LIMITED", "2");
}

TEST_F(SessionTest, AbuseEndsTheConnection) {
  SessionSettings settings;
  settings.abuse.close_after = 3;
  Restart(settings);
  OpenQuietly();
  for (int i = 0; i < 3; ++i) Text("nonsense");
  ASSERT_TRUE(connection_.closed);
  EXPECT_EQ(connection_.closed->first, 4429);
  EXPECT_THAT(connection_.closed->second, HasSubstr("reconnect_after_ms="));
  EXPECT_THAT(connection_.sent, SizeIs(3));
  EXPECT_THAT(rooms_.closes, ElementsAre(false));
  // Nothing is done for it any more, and the session is closed once.
  Text("nonsense");
  Publish("1");
  session_->OnClosed(4429);
  EXPECT_THAT(rooms_.publishes, IsEmpty());
  EXPECT_THAT(rooms_.closes, SizeIs(1));
}

TEST_F(SessionTest, AbuseBlocksTheAddress) {
  limits::AttemptLimits attempts;
  attempts.abuse.block_after = 2;
  Restart({}, attempts);
  OpenQuietly();
  Text("nonsense");
  Text("nonsense");
  ASSERT_TRUE(connection_.closed);
  EXPECT_EQ(connection_.closed->first, 4503);
  EXPECT_EQ(shared_->attempts.Begin(*limits::IpAddress::Parse(connection_.address)).verdict,
            limits::AttemptVerdict::kBlocked);
}

TEST_F(SessionTest, TooManyUnfinishedRequestsPauseReading) {
  OpenQuietly();
  const size_t limit = Session::kMaxUnfinished;
  for (size_t i = 0; i < limit; ++i) {
    EXPECT_FALSE(connection_.paused);
    Publish(std::to_string(i));
  }
  EXPECT_TRUE(connection_.paused);
  for (size_t i = 0; i < limit / 2; ++i) {
    EXPECT_TRUE(connection_.paused);
    rooms_.publishes[i].done({});
  }
  EXPECT_FALSE(connection_.paused);
}

TEST_F(SessionTest, RepliesThatAreNotReadPauseReading) {
  OpenQuietly();
  connection_.next_result = SendResult::kBackpressure;
  Text(R"({"type":"heartbeat","id":"h"})");
  EXPECT_TRUE(connection_.paused);
  session_->OnDrained();
  EXPECT_FALSE(connection_.paused);
  EXPECT_EQ(rooms_.drained, 1);
  // A client behind a room that it cannot follow may still leave it.
  Text(R"({"type":"heartbeat","id":"h"})");
  EXPECT_TRUE(connection_.paused);
  Tick(1'000);
  EXPECT_FALSE(connection_.paused);
}

TEST_F(SessionTest, RecordsWhatACallWasRefused) {
  Session& session = OpenQuietly();
  const auto record = [&](const std::string& details_json) {
    Request call;
    call.id = "c";
    call.call = 7;
    call.method = "shop.buy";
    session.Refuse(call,
                   {.code = "PERMISSION_DENIED", .message = "no", .details_json = details_json});
    return log_.lines().back();
  };
  EXPECT_THAT(
      record(R"({"action":"room:read","resource":"r","n":[1]})"),
      HasSubstr(R"("action":"room:read","resource":"r","reason":"no","correlation_id":"c")"));
  // A backend of others.
  const char* const the_call = R"("action":"rpc:call","resource":"shop.buy")";
  EXPECT_THAT(record(R"({"why":"poor"})"), HasSubstr(the_call));
  EXPECT_THAT(record(""), HasSubstr(the_call));
}

TEST_F(SessionTest, DrainingRefusesNewWorkOnly) {
  OpenQuietly();
  Join("a");
  shared_->draining = true;
  rooms_.joins[0].done({});
  EXPECT_EQ(At(Take().text, "/type"), "room_joined");
  Publish("1");
  ExpectError(Take(), "UNAVAILABLE", "1");
  Text(R"({"type":"rpc_call","id":"c","data":{"method":"m"}})");
  EXPECT_EQ(At(Take().text, "/data/error/code"), "UNAVAILABLE");
  Text(R"({"type":"leave_room","id":"l","data":{"room_id":"a"}})");
  EXPECT_THAT(rooms_.leaves, SizeIs(1));
  session_->OnClosed(1001);
  EXPECT_THAT(rooms_.closes, ElementsAre(true));
}

TEST_F(SessionTest, ShortMemoryRefusesJoinsThenCutsLargeQueues) {
  Restart({}, {}, 10 << 20);
  OpenQuietly();
  limits::MemoryCharge others(&shared_->memory, 9 << 20);
  Join("a");
  ExpectError(Take(), "UNAVAILABLE", "j");
  connection_.queued = 2 << 20;
  Tick(1'000);
  ASSERT_TRUE(connection_.closed);
  EXPECT_EQ(connection_.closed->first, 4413);
  // What waited is given up at once, not when the socket has ended.
  EXPECT_EQ(shared_->memory.used(), 9 << 20);
  session_->OnClosed(4413);
  EXPECT_EQ(shared_->memory.used(), 9 << 20);
}

TEST_F(SessionTest, OnlyTheLargestQueuesAreCut) {
  Restart({}, {}, 10 << 20);
  OpenQuietly();
  limits::MemoryCharge others(&shared_->memory, 9 << 20);
  // Another reader's queue is larger and frees enough.
  shared_->queue_sizes.Move(0, 8 << 20);
  connection_.queued = 1 << 20;
  Tick(1'000);
  EXPECT_FALSE(connection_.closed);
  EXPECT_EQ(shared_->memory.level(), limits::MemoryLevel::kCritical);
  shared_->queue_sizes.Move(8 << 20, 0);
  Tick(1'000);
  EXPECT_TRUE(connection_.closed);
}

TEST_F(SessionTest, CountsAndGivesBackItsPlace) {
  common::v1::Identity identity;
  identity.set_user_id("u");
  const auto slot = std::make_shared<int>(0);
  session_ = std::make_shared<Session>(*thread_, connection_, identity, slot);
  session_->Open();
  EXPECT_EQ(thread_->counters().open_sessions.value(), 1u);
  EXPECT_EQ(slot.use_count(), 2);
  session_->OnClosed(1000);
  EXPECT_EQ(thread_->counters().open_sessions.value(), 0u);
  EXPECT_EQ(thread_->counters().closed[0].value(), 1u);
  EXPECT_EQ(slot.use_count(), 1);
  EXPECT_THAT(rooms_.closes, ElementsAre(false));
}

}  // namespace
}  // namespace covet::edge
