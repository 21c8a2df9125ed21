#include "edge/rooms/link_client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "edge/rooms/testing/link_rig.h"

namespace covet::edge {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

TEST(LinkClientTest, SaysHelloFirst) {
  LinkRig rig({.edge_name = "edge-1", .credit_bytes = 4'000});
  rig.client.OpenSession(LinkRig::Identity("s"), 5);
  rig.client.Submit(0, 1, LinkRig::Join("s", "r"));
  EXPECT_THAT(rig.frames, IsEmpty());
  rig.client.Start();
  EXPECT_THAT(rig.connects, ElementsAre(1));
  EXPECT_FALSE(rig.client.connected());
  rig.client.OnUp();
  ASSERT_THAT(rig.frames, SizeIs(1));
  const rooms::v1::EdgeFrame& frame = rig.frames[0];
  EXPECT_EQ(frame.hello().incarnation(), rig.client.incarnation());
  EXPECT_EQ(frame.hello().edge(), "edge-1");
  EXPECT_EQ(frame.hello().version(), 1);
  EXPECT_EQ(frame.hello().credit_bytes(), 4'000);
  ASSERT_THAT(frame.hello().sessions(), SizeIs(1));
  EXPECT_EQ(frame.hello().sessions(0).identity().session_id(), "s");
  EXPECT_EQ(frame.hello().sessions(0).connected_ms(), 5);
  ASSERT_THAT(frame.requests(), SizeIs(1));
  EXPECT_TRUE(frame.requests(0).has_join());
  rig.Welcome();
  EXPECT_TRUE(rig.client.connected());
}

TEST(LinkClientTest, ALargeHelloTakesSeveralFrames) {
  LinkRig rig({.edge_name = "edge-1", .max_hello_bytes = 100});
  rig.Open();
  for (int i = 0; i < 9; ++i) {
    const std::string n = std::to_string(i);
    rig.client.OpenSession(LinkRig::Identity("s" + n), 5);
    rig.client.OnWritten();
    rig.client.Submit(0, i, LinkRig::Join("s" + n, "room_" + n));
    rig.client.OnWritten();
    rig.AnswerJoined(i + 1, "room_" + n);
  }
  rig.Down();
  rig.frames.clear();
  rig.clock.AdvanceMillis(1'000);
  rig.client.Tick();
  rig.client.OnUp();
  // What happens while it goes up comes after it.
  rig.client.OpenSession(LinkRig::Identity("later"), 5);
  rig.client.Submit(0, 9, LinkRig::Join("s0", "another"));
  std::vector<std::string> sessions;
  std::vector<std::string> rooms;
  size_t seen = 0;
  for (; seen < rig.frames.size(); rig.client.OnWritten()) {
    const rooms::v1::EdgeFrame& frame = rig.frames[seen++];
    EXPECT_EQ(frame.hello().incarnation().empty(), seen != 1);
    for (const auto& told : frame.hello().sessions()) {
      sessions.push_back(told.identity().session_id());
      EXPECT_THAT(told.rooms(), SizeIs(1));
    }
    for (const auto& told : frame.hello().rooms()) rooms.push_back(told.room_id());
    if (!frame.hello().more()) break;
    EXPECT_LE(frame.ByteSizeLong(), 110u);
    EXPECT_THAT(frame.requests(), IsEmpty());
    EXPECT_FALSE(frame.beat());
  }
  EXPECT_GT(seen, 4u);
  EXPECT_THAT(sessions, ElementsAre("s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8"));
  EXPECT_THAT(rooms, SizeIs(9));
  const rooms::v1::EdgeFrame& last = rig.frames[seen - 1];
  ASSERT_THAT(last.requests(), SizeIs(2));
  EXPECT_EQ(last.requests(0).open_session().identity().session_id(), "later");
  EXPECT_EQ(last.requests(1).join().room_id(), "another");
  // A stream that breaks in the middle begins the next from the start.
  rig.Down();
  rig.frames.clear();
  rig.clock.AdvanceMillis(1'000);
  rig.client.Tick();
  rig.client.OnUp();
  rig.client.OnWritten();
  rig.Down();
  rig.clock.AdvanceMillis(1'000);
  rig.client.Tick();
  rig.client.OnUp();
  ASSERT_THAT(rig.frames, SizeIs(3));
  EXPECT_EQ(rig.frames[2].SerializeAsString(), rig.frames[0].SerializeAsString());
}

TEST(LinkClientTest, OneWriteAtATimeTakesWhatQueuedUp) {
  LinkRig rig;
  rig.Open();
  rig.frames.clear();
  rig.client.Submit(0, 1, LinkRig::Publish("s", "r", "1"));
  rig.client.Submit(0, 2, LinkRig::Publish("s", "r", "2"));
  rig.client.Submit(0, 3, LinkRig::Publish("s", "r", "3"));
  ASSERT_THAT(rig.frames, SizeIs(1));
  EXPECT_THAT(rig.frames[0].requests(), SizeIs(1));
  rig.client.OnWritten();
  ASSERT_THAT(rig.frames, SizeIs(2));
  EXPECT_THAT(rig.frames[1].requests(), SizeIs(2));
  EXPECT_LT(rig.frames[1].requests(0).request_id(), rig.frames[1].requests(1).request_id());
}

TEST(LinkClientTest, AFrameIsBounded) {
  LinkRig rig({.max_pending_bytes = 16 << 20});
  rig.Open();
  for (int i = 0; i < 4; ++i) {
    rig.client.Submit(0, i, LinkRig::Publish("s", "r", std::string(600 << 10, 'x')));
  }
  rig.frames.clear();
  rig.client.OnWritten();
  ASSERT_THAT(rig.frames, SizeIs(1));
  EXPECT_THAT(rig.frames[0].requests(), SizeIs(2));
  rig.client.OnWritten();
  EXPECT_THAT(rig.frames[1].requests(), SizeIs(1));
}

TEST(LinkClientTest, GivesEachPublishAKeyOfItsOwn) {
  LinkRig rig;
  rig.Open();
  rig.frames.clear();
  rig.client.Submit(0, 1, LinkRig::Publish("s", "r", "1"));
  rig.client.OnWritten();
  rooms::v1::EdgeRequest keyed = LinkRig::Publish("s", "r", "2");
  keyed.mutable_publish()->set_idempotency_key("mine");
  rig.client.Submit(0, 2, keyed);
  rig.client.OnWritten();
  rig.client.Submit(0, 3, LinkRig::Publish("s", "r", "3"));
  const auto requests = rig.TakeRequests();
  ASSERT_THAT(requests, SizeIs(3));
  EXPECT_TRUE(requests[0].publish().edge_key());
  EXPECT_FALSE(requests[0].publish().idempotency_key().empty());
  EXPECT_EQ(requests[1].publish().idempotency_key(), "mine");
  EXPECT_FALSE(requests[1].publish().edge_key());
  EXPECT_NE(requests[2].publish().idempotency_key(), requests[0].publish().idempotency_key());
}

TEST(LinkClientTest, RepeatsWhatWasNotAnsweredOnTheNextStream) {
  LinkRig rig;
  rig.Open();
  rig.client.Submit(7, 1, LinkRig::Publish("s", "r", "1"));
  const auto first = rig.TakeRequests();
  rig.Down();
  rig.client.Submit(7, 2, LinkRig::Publish("s", "r", "2"));
  EXPECT_THAT(rig.frames, IsEmpty());
  rig.clock.AdvanceMillis(1'000);
  rig.client.Tick();
  EXPECT_THAT(rig.connects, ElementsAre(1, 2));
  rig.Up();
  const auto again = rig.TakeRequests();
  ASSERT_THAT(again, SizeIs(2));
  EXPECT_EQ(again[0].request_id(), first.back().request_id());
  EXPECT_TRUE(again[0].publish().resend());
  EXPECT_EQ(again[0].publish().idempotency_key(), first.back().publish().idempotency_key());
  EXPECT_FALSE(again[1].publish().resend());
  EXPECT_EQ(rig.client.counters().resent, 1);
  EXPECT_EQ(rig.write_streams.back(), 2u);
}

TEST(LinkClientTest, RequestsEndAsUnavailableWhileTheOwnerIsAway) {
  LinkRig rig;
  rig.Open();
  rig.Down();
  rig.client.Submit(3, 9, LinkRig::Join("s", "r"));
  rig.clock.AdvanceMillis(1'999);
  rig.client.Tick();
  EXPECT_THAT(rig.TakeReplies(), IsEmpty());
  rig.clock.AdvanceMillis(1);
  rig.client.Tick();
  ASSERT_THAT(rig.batches, SizeIs(1));
  const auto& reply = std::get<ReplyItem>(rig.batches[0]->items[0]);
  EXPECT_EQ(reply.thread, 3u);
  EXPECT_EQ(reply.token, 9u);
  EXPECT_EQ(reply.reply.error().code(), "UNAVAILABLE");
  EXPECT_EQ(rig.client.counters().timeouts, 1);
}

TEST(LinkClientTest, RequestsOfBeforeTheBreakHaveTheSameTimeFromIt) {
  LinkRig rig;
  rig.Open();
  rig.client.Submit(0, 1, LinkRig::Join("s", "r"));
  rig.clock.AdvanceMillis(5'000);
  rig.Down();
  rig.clock.AdvanceMillis(1'999);
  rig.client.Tick();
  EXPECT_THAT(rig.TakeReplies(), IsEmpty());
  rig.clock.AdvanceMillis(1);
  rig.client.Tick();
  EXPECT_THAT(rig.TakeReplies(), ElementsAre("UNAVAILABLE"));
}

TEST(LinkClientTest, RequestsAreBounded) {
  LinkRig rig({.max_pending_requests = 2, .max_pending_bytes = 10'000});
  rig.client.Submit(0, 1, LinkRig::Join("s", "a"));
  rig.client.Submit(0, 2, LinkRig::Publish("s", "a", std::string(20'000, 'x')));
  EXPECT_THAT(rig.TakeReplies(), ElementsAre("UNAVAILABLE"));
  rig.client.Submit(0, 3, LinkRig::Join("s", "b"));
  rig.client.Submit(0, 4, LinkRig::Join("s", "c"));
  EXPECT_THAT(rig.TakeReplies(), ElementsAre("UNAVAILABLE"));
  EXPECT_EQ(rig.client.counters().refused, 2);
}

TEST(LinkClientTest, AfterStopNothingIsAccepted) {
  LinkRig rig;
  rig.Open();
  rig.client.Stop();
  EXPECT_THAT(rig.cancels, ElementsAre(1));
  rig.client.Submit(0, 1, LinkRig::Join("s", "r"));
  EXPECT_THAT(rig.TakeReplies(), ElementsAre("UNAVAILABLE"));
  rig.Down();
  rig.clock.AdvanceMillis(60'000);
  rig.client.Tick();
  EXPECT_THAT(rig.connects, SizeIs(1));
  rig.client.OnUp();  // One that was on its way ends at once.
  EXPECT_THAT(rig.cancels, SizeIs(2));
}

TEST(LinkClientTest, StatesItsMembershipsToANewOwner) {
  LinkRig rig;
  rig.Open();
  rig.client.OpenSession(LinkRig::Identity("s"), 5);
  rig.client.OnWritten();
  rooms::v1::EdgeRequest join = LinkRig::Join("s", "a");
  join.mutable_join()->set_metrics(true);
  rig.client.Submit(0, 1, join);
  rig.client.OnWritten();
  rig.client.Submit(0, 2, LinkRig::Join("s", "b"));
  rig.client.OnWritten();
  rig.AnswerJoined(1, "a", 7, "ea");
  rig.AnswerJoined(2, "b", 0, "eb");
  rig.client.Forget("s", "b");
  rig.Down();
  rig.frames.clear();
  rig.clock.AdvanceMillis(1'000);
  rig.client.Tick();
  rig.Up();
  const rooms::v1::EdgeHello& hello = rig.frames.at(0).hello();
  ASSERT_THAT(hello.sessions(), SizeIs(1));
  ASSERT_THAT(hello.sessions(0).rooms(), SizeIs(1));
  EXPECT_EQ(hello.sessions(0).rooms(0).room_id(), "a");
  EXPECT_TRUE(hello.sessions(0).rooms(0).metrics());
  ASSERT_THAT(hello.rooms(), SizeIs(1));
  EXPECT_EQ(hello.rooms(0).room_id(), "a");
  EXPECT_EQ(hello.rooms(0).epoch(), "ea");
}

TEST(LinkClientTest, ForgetsWhatTheOwnerEnds) {
  LinkRig rig;
  rig.Open();
  rig.client.OpenSession(LinkRig::Identity("s"), 5);
  for (const char* room_id : {"a", "b", "c"}) {
    rig.client.OnWritten();
    rig.client.Submit(0, 1, LinkRig::Join("s", room_id));
  }
  rig.client.OnWritten();
  rig.AnswerJoined(1, "a");
  rig.AnswerJoined(2, "b");
  rig.AnswerJoined(3, "c");
  rooms::v1::OwnerItem removed;
  removed.mutable_member_removed()->set_room_id("a");
  removed.mutable_member_removed()->set_session_id("s");
  rig.Answer(removed);
  rooms::v1::OwnerItem closed;
  closed.mutable_room_closed()->set_room_id("b");
  rig.Answer(closed);
  rig.Down();
  rig.frames.clear();
  rig.clock.AdvanceMillis(1'000);
  rig.client.Tick();
  rig.Up();
  const rooms::v1::EdgeHello& hello = rig.frames.at(0).hello();
  ASSERT_THAT(hello.rooms(), SizeIs(1));
  EXPECT_EQ(hello.rooms(0).room_id(), "c");
  EXPECT_THAT(hello.sessions(0).rooms(), SizeIs(1));
}

TEST(LinkClientTest, NoticesKeepTheirPlaceAmongRequests) {
  LinkRig rig;
  rig.Open();
  rig.client.OnWritten();
  rig.frames.clear();
  rig.client.OpenSession(LinkRig::Identity("s"), 1);
  rig.client.Submit(0, 1, LinkRig::Join("s", "r"));
  rig.client.CloseSession("s", /*moving=*/true);
  rig.client.CloseSession("stranger", false);
  rig.client.Submit(0, 2, LinkRig::Join("t", "r"));
  rig.client.OnWritten();
  const auto requests = rig.TakeRequests();
  ASSERT_THAT(requests, SizeIs(4));
  EXPECT_TRUE(requests[0].has_open_session());
  EXPECT_TRUE(requests[1].has_join());
  EXPECT_TRUE(requests[2].has_close_session());
  EXPECT_TRUE(requests[2].close_session().moving());
  EXPECT_EQ(requests[3].session_id(), "t");
  EXPECT_EQ(requests[0].request_id(), 0u);  // Nobody waits for an answer.
}

TEST(LinkClientTest, AJoinThatTimedOutIsUndoneWhenItSucceedsAfterAll) {
  LinkRig rig;
  rig.Open();
  rig.client.OpenSession(LinkRig::Identity("s"), 1);
  rig.client.OnWritten();
  rig.client.Submit(0, 1, LinkRig::Join("s", "r"));
  rig.client.OnWritten();
  rig.clock.AdvanceMillis(10'000);
  rig.Welcome();  // It is there, but does not answer this.
  rig.client.Tick();
  EXPECT_THAT(rig.TakeReplies(), ElementsAre("UNAVAILABLE"));
  rig.TakeRequests();
  rig.client.OnWritten();
  rig.AnswerJoined(1, "r");
  EXPECT_THAT(rig.TakeReplies(), IsEmpty());
  const auto requests = rig.TakeRequests();
  ASSERT_THAT(requests, SizeIs(1));
  EXPECT_EQ(requests[0].leave().room_id(), "r");
}

TEST(LinkClientTest, ALeaveThatTimedOutEndsTheMembershipWithReset) {
  LinkRig rig;
  rig.Open();
  rig.client.OpenSession(LinkRig::Identity("s"), 1);
  rig.client.OnWritten();
  rig.client.Submit(0, 1, LinkRig::Join("s", "r"));
  rig.client.OnWritten();
  rig.AnswerJoined(1, "r");
  rooms::v1::EdgeRequest leave;
  leave.set_session_id("s");
  leave.mutable_leave()->set_room_id("r");
  rig.client.Submit(0, 2, leave);
  rig.clock.AdvanceMillis(10'000);
  rig.Welcome();
  rig.client.Tick();
  rig.batches.clear();
  rooms::v1::OwnerReply reply;
  reply.set_request_id(2);
  reply.set_left(true);
  rig.Answer(std::move(reply));
  ASSERT_THAT(rig.batches, SizeIs(1));
  const auto& removed = std::get<RemovedItem>(rig.batches[0]->items[0]);
  EXPECT_EQ(removed.room_id, "r");
  EXPECT_EQ(removed.session_id, "s");
  EXPECT_EQ(removed.reason, "reset");
}

TEST(LinkClientTest, GivesUpAStreamWhoseOtherEndIsSilent) {
  LinkRig rig;
  rig.Open();
  rig.clock.AdvanceMillis(7'999);
  rig.client.Tick();
  EXPECT_THAT(rig.cancels, IsEmpty());
  rig.clock.AdvanceMillis(1);
  rig.client.Tick();
  EXPECT_THAT(rig.cancels, ElementsAre(1));
}

TEST(LinkClientTest, BeatsWhenThereIsNothingToSay) {
  LinkRig rig;
  rig.Open();
  rig.clock.AdvanceMillis(2'000);
  rig.client.Tick();
  rig.client.OnWritten();
  rig.Welcome();
  rig.frames.clear();
  rig.clock.AdvanceMillis(1'999);
  rig.client.Tick();
  EXPECT_THAT(rig.frames, IsEmpty());
  rig.clock.AdvanceMillis(1);
  rig.client.Tick();
  ASSERT_THAT(rig.frames, SizeIs(1));
  EXPECT_TRUE(rig.frames[0].beat());
}

TEST(LinkClientTest, BacksOffWhileNobodyAnswers) {
  LinkRig rig;
  rig.client.Start();
  std::vector<int64_t> waits;
  for (int i = 0; i < 8; ++i) {
    rig.Down();
    const size_t before = rig.connects.size();
    int64_t waited = 0;
    while (rig.connects.size() == before) {
      rig.clock.AdvanceMillis(10);
      waited += 10;
      rig.client.Tick();
    }
    waits.push_back(waited);
  }
  EXPECT_THAT(waits, ElementsAre(20, 40, 80, 160, 320, 640, 1'000, 1'000));
  // One that answered begins anew.
  rig.Up();
  rig.Down();
  rig.clock.AdvanceMillis(20);
  rig.client.Tick();
  EXPECT_THAT(rig.connects, SizeIs(10));
}

TEST(LinkClientTest, ReturnsCreditOnceThreadsHaveLetGo) {
  LinkRig rig({.credit_bytes = 800});
  rig.Open();
  rig.frames.clear();
  rooms::v1::OwnerItem item;
  item.mutable_records()->set_room_id("r");
  item.mutable_records()->add_events(std::string(300, 'x'));
  const auto cost = static_cast<int64_t>(item.ByteSizeLong());
  rig.Answer(item);
  rig.client.ReturnCredit();
  EXPECT_THAT(rig.frames, IsEmpty());
  rig.batches.clear();
  rig.client.ReturnCredit();
  ASSERT_THAT(rig.frames, SizeIs(1));
  EXPECT_EQ(rig.frames[0].credit_bytes(), cost);
  rig.client.OnWritten();
  rig.client.ReturnCredit();
  EXPECT_THAT(rig.frames, SizeIs(1));
}

}  // namespace
}  // namespace covet::edge
