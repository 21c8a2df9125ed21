#include "edge/rooms/thread_rooms.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "covet/rooms/v1/storage.pb.h"
#include "edge/rooms/testing/link_rig.h"
#include "edge/rooms/testing/reader.h"

namespace covet::edge {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class ThreadRoomsTest : public ::testing::Test {
 protected:
  ThreadRoomsTest() {
    rig_.Open();
    Pump();
  }

  // Lets what was written be written, and threads have what came down.
  void Pump() {
    while (!rig_.frames.empty()) {
      for (auto& request : rig_.TakeRequests()) requests_.push_back(std::move(request));
      rig_.client.OnWritten();
    }
    for (const auto& batch : std::exchange(rig_.batches, {})) rooms_.OnBatch(*batch);
  }
  // The requests since the last call.
  std::vector<rooms::v1::EdgeRequest> Requests() {
    Pump();
    return std::exchange(requests_, {});
  }
  rooms::v1::EdgeRequest Request() {
    std::vector<rooms::v1::EdgeRequest> requests = Requests();
    EXPECT_THAT(requests, SizeIs(1));
    return requests.empty() ? rooms::v1::EdgeRequest() : requests[0];
  }

  void Open(Reader& reader, const std::string& session_id) {
    rooms_.OpenSession(LinkRig::Identity(session_id), &reader);
    EXPECT_TRUE(Request().has_open_session());
  }
  static JoinParams To(const std::string& room_id) {
    JoinParams params;
    params.room_id = room_id;
    params.request_id = "j";
    return params;
  }
  static JoinParams Resume(int64_t offset, const std::string& epoch = "e",
                           const std::string& room_id = "r") {
    JoinParams params = To(room_id);
    params.has_resume = true;
    params.resume_epoch = epoch;
    params.resume_offset = offset;
    return params;
  }
  // Joins, and answers that the room stands at `head`.
  JoinResult Join(Reader& reader, const std::string& session_id, JoinParams params,
                  int64_t head = 10, int64_t first = 1, const std::string& epoch = "e") {
    std::optional<JoinResult> result;
    rooms_.Join(session_id, std::move(params), [&](JoinResult joined) {
      reader.log.push_back("joined");
      result = std::move(joined);
    });
    const rooms::v1::EdgeRequest request = Request();
    rooms::v1::OwnerReply reply;
    reply.set_request_id(request.request_id());
    rooms::v1::Room& room = *reply.mutable_joined()->mutable_room();
    room.set_room_id(request.join().room_id());
    room.set_epoch(epoch);
    room.set_first_offset(first);
    room.set_last_offset(head);
    room.set_member_count(4);
    room.mutable_created_at()->set_seconds(1'756'720'800);
    reply.mutable_joined()->add_permissions("read");
    rig_.Answer(std::move(reply));
    Pump();
    EXPECT_TRUE(result.has_value());
    return result.value_or(JoinResult());
  }
  static std::string Stored(int64_t offset) {
    rooms::v1::StoredEvent event;
    event.set_event_type("t");
    event.set_payload(std::to_string(offset));
    return event.SerializeAsString();
  }
  void Records(int64_t first, int64_t last, const std::string& epoch = "e") {
    rooms::v1::OwnerItem item;
    item.mutable_records()->set_room_id("r");
    item.mutable_records()->set_epoch(epoch);
    item.mutable_records()->set_first_offset(first);
    for (int64_t i = first; i <= last; ++i) item.mutable_records()->add_events(Stored(i));
    rig_.Answer(std::move(item));
    Pump();
  }
  void AnswerRead(const rooms::v1::EdgeRequest& request, int64_t last, int64_t first = 1) {
    rooms::v1::OwnerReply reply;
    reply.set_request_id(request.request_id());
    rooms::v1::LinkReadResult& read = *reply.mutable_read();
    read.set_room_id(request.read().room_id());
    read.set_epoch("e");
    read.set_first_offset(first);
    read.set_last_offset(last);
    for (int64_t i = std::max(first, request.read().after_offset() + 1); i <= last; ++i) {
      rooms::v1::LinkRecord& record = *read.add_records();
      record.set_offset(i);
      record.set_event(Stored(i));
    }
    rig_.Answer(std::move(reply));
    Pump();
  }
  void AnswerError(const rooms::v1::EdgeRequest& request, const std::string& code) {
    rig_.AnswerError(request.request_id(), code);
    Pump();
  }
  void Notify(const std::string& id, bool acknowledge, const std::string& session_id,
              const std::string& room_id = "") {
    rooms::v1::OwnerItem item;
    item.mutable_notification()->set_notification_id(id);
    item.mutable_notification()->set_acknowledge(acknowledge);
    item.mutable_notification()->set_room_id(room_id);
    if (!session_id.empty()) item.mutable_notification()->add_session_ids(session_id);
    rig_.Answer(std::move(item));
    Pump();
  }
  // Offsets and marks of what a reader got: R for replayed; the rest as it is.
  static std::vector<std::string> Seen(Reader& reader) {
    std::vector<std::string> seen;
    for (const std::string& entry : reader.Take()) {
      const size_t at = entry.find("\"offset\":");
      if (at == std::string::npos) {
        seen.push_back(entry);
        continue;
      }
      const size_t begin = at + 9;
      const std::string offset = entry.substr(begin, entry.find_first_of(",}", begin) - begin);
      seen.push_back((entry.front() == 'R' ? "R" : "") + offset);
    }
    return seen;
  }

  LinkRig rig_;
  ThreadRooms rooms_{0, rig_.clock, rig_.client};
  std::vector<rooms::v1::EdgeRequest> requests_;
  Reader a_;
  Reader b_;
};

TEST_F(ThreadRoomsTest, AJoinEntersAtTheHubsPlace) {
  Open(a_, "a");
  const JoinResult joined = Join(a_, "a", To("r"), 10);
  EXPECT_TRUE(joined.error.ok());
  EXPECT_EQ(joined.epoch, "e");
  EXPECT_EQ(joined.offset, 10);
  EXPECT_FALSE(joined.recovered);
  EXPECT_EQ(joined.member_count, 4);
  EXPECT_THAT(joined.permissions, ElementsAre("read"));
  EXPECT_THAT(joined.metadata_json, HasSubstr(R"("created_at":"2025-09-01T10:00:00Z")"));
  Records(11, 12);
  EXPECT_THAT(Seen(a_), ElementsAre("joined", "11", "12"));
  // The second is behind the owner's word, but at the hub's place.
  Open(b_, "b");
  EXPECT_EQ(Join(b_, "b", To("r"), 11).offset, 12);
  EXPECT_EQ(rooms_.hub_count(), 1u);
}

TEST_F(ThreadRoomsTest, AJoinThatFailsSaysWhy) {
  Open(a_, "a");
  std::optional<JoinResult> result;
  rooms_.Join("a", To("r"), [&](JoinResult joined) { result = std::move(joined); });
  rooms::v1::OwnerReply reply;
  reply.set_request_id(Request().request_id());
  reply.mutable_error()->set_code("ROOM_NOT_FOUND");
  reply.mutable_error()->set_message("no");
  (*reply.mutable_error()->mutable_details())["room_id"] = "r";
  rig_.Answer(std::move(reply));
  Pump();
  ASSERT_TRUE(result.has_value());
  EXPECT_EQ(result->error.code, "ROOM_NOT_FOUND");
  EXPECT_EQ(result->error.message, "no");
  EXPECT_THAT(result->error.details, ElementsAre(testing::Pair("room_id", "r")));
  EXPECT_EQ(rooms_.hub_count(), 0u);
}

TEST_F(ThreadRoomsTest, AResumeReplaysThenGoesLive) {
  Open(a_, "a");
  const JoinResult joined = Join(a_, "a", Resume(7), 10);
  EXPECT_TRUE(joined.recovered);
  EXPECT_EQ(joined.offset, 10);
  const rooms::v1::EdgeRequest read = Request();
  EXPECT_EQ(read.read().after_offset(), 7);
  EXPECT_EQ(read.read().epoch(), "e");
  Records(11, 11);
  AnswerRead(read, 11);
  Records(12, 12);
  EXPECT_THAT(Seen(a_), ElementsAre("joined", "R8", "R9", "R10", "11", "12"));
}

TEST_F(ThreadRoomsTest, AResumeAtTheHeadReadsNothing) {
  Open(a_, "a");
  EXPECT_TRUE(Join(a_, "a", Resume(10), 10).recovered);
  EXPECT_THAT(Requests(), IsEmpty());
}

TEST_F(ThreadRoomsTest, WithAnotherEpochNothingIsReplayed) {
  Open(a_, "a");
  const JoinResult joined = Join(a_, "a", Resume(7, "old"), 10);
  EXPECT_FALSE(joined.recovered);
  EXPECT_EQ(joined.offset, 10);
  EXPECT_THAT(Requests(), IsEmpty());
  EXPECT_EQ(rooms_.counters().not_recovered, 1);
}

TEST_F(ThreadRoomsTest, AnOffsetThatNeverWasIsNoPlaceToGoOnFrom) {
  Open(a_, "a");
  const JoinResult joined = Join(a_, "a", Resume(11), 10);
  EXPECT_FALSE(joined.recovered);
  EXPECT_EQ(joined.offset, 10);
  Records(11, 11);
  EXPECT_THAT(Seen(a_), ElementsAre("joined", "11"));
}

TEST_F(ThreadRoomsTest, WhatIsLeftIsReplayedOldestFirst) {
  Open(a_, "a");
  const JoinResult joined = Join(a_, "a", Resume(2), 10, /*first=*/6);
  EXPECT_FALSE(joined.recovered);
  const rooms::v1::EdgeRequest read = Request();
  EXPECT_EQ(read.read().after_offset(), 5);
  // More was evicted meanwhile.
  AnswerRead(read, 10, /*first=*/8);
  EXPECT_THAT(Seen(a_), ElementsAre("joined", "R8", "R9", "R10"));
}

TEST_F(ThreadRoomsTest, AReplayHasAtMostTenThousand) {
  Open(a_, "a");
  EXPECT_FALSE(Join(a_, "a", Resume(0), 10'001).recovered);
  EXPECT_EQ(Request().read().after_offset(), 1);
  Open(b_, "b");
  EXPECT_TRUE(Join(b_, "b", Resume(1), 10'001).recovered);
  EXPECT_EQ(Request().read().after_offset(), 1);
}

TEST_F(ThreadRoomsTest, HistoryReplaysTheLast) {
  Open(a_, "a");
  JoinParams params = To("r");
  params.history = 3;
  EXPECT_FALSE(Join(a_, "a", params, 10).recovered);
  EXPECT_EQ(Request().read().after_offset(), 7);
  Open(b_, "b");
  params.history = 50'000;
  Join(b_, "b", params, 20'000);
  EXPECT_EQ(Request().read().after_offset(), 10'000 - 10'000);
}

TEST_F(ThreadRoomsTest, AReplayThatFailsForGoodIsAReset) {
  Open(a_, "a");
  Join(a_, "a", Resume(7), 10);
  AnswerError(Request(), "EPOCH_CHANGED");
  EXPECT_THAT(Seen(a_), ElementsAre("joined", "left:r:reset"));
  EXPECT_EQ(Request().leave().room_id(), "r");  // The owner is told.
  EXPECT_EQ(rooms_.hub_count(), 0u);
  EXPECT_EQ(rooms_.counters().resets, 1);
}

TEST_F(ThreadRoomsTest, AReplayGoesOnWhenTheOwnerIsBack) {
  Open(a_, "a");
  Join(a_, "a", Resume(7), 10);
  AnswerError(Request(), "UNAVAILABLE");
  rooms_.Tick();
  const rooms::v1::EdgeRequest read = Request();
  EXPECT_EQ(read.read().after_offset(), 7);
  AnswerRead(read, 10);
  EXPECT_THAT(Seen(a_), ElementsAre("joined", "R8", "R9", "R10"));
}

TEST_F(ThreadRoomsTest, ANewEpochResetsTheRoomsMembers) {
  Open(a_, "a");
  Open(b_, "b");
  Join(a_, "a", To("r"), 10);
  Join(b_, "b", To("r"), 10);
  a_.log.clear();
  b_.log.clear();
  Records(1, 1, "other");
  EXPECT_THAT(Seen(a_), ElementsAre("left:r:reset"));
  EXPECT_THAT(Seen(b_), ElementsAre("left:r:reset"));
  EXPECT_THAT(Requests(), SizeIs(2));
}

TEST_F(ThreadRoomsTest, WhoJoinsANewEpochIsNotForgotten) {
  Open(a_, "a");
  Open(b_, "b");
  Join(a_, "a", To("r"), 10);
  Join(b_, "b", To("r"), 10);
  a_.log.clear();
  b_.log.clear();
  Join(a_, "a", To("r"), 3, 1, "new");
  EXPECT_THAT(Seen(a_), ElementsAre("left:r:reset", "joined"));
  EXPECT_THAT(Seen(b_), ElementsAre("left:r:reset"));
  EXPECT_EQ(Request().session_id(), "b");  // Of whom the owner is told.
  Records(4, 4, "new");
  EXPECT_THAT(Seen(a_), ElementsAre("4"));
}

TEST_F(ThreadRoomsTest, TheOwnerEndsMemberships) {
  Open(a_, "a");
  Open(b_, "b");
  Join(a_, "a", To("r"), 10);
  Join(b_, "b", To("r"), 10);
  a_.log.clear();
  b_.log.clear();
  rooms::v1::OwnerItem removed;
  removed.mutable_member_removed()->set_room_id("r");
  removed.mutable_member_removed()->set_session_id("a");
  removed.mutable_member_removed()->set_reason("permission_revoked");
  rig_.Answer(std::move(removed));
  Pump();
  Records(11, 11);
  EXPECT_THAT(Seen(a_), ElementsAre("left:r:permission_revoked"));
  rooms::v1::OwnerItem closed;
  closed.mutable_room_closed()->set_room_id("r");
  closed.mutable_room_closed()->set_reason("deleted");
  rig_.Answer(std::move(closed));
  Pump();
  EXPECT_THAT(Seen(b_), ElementsAre("11", "left:r:deleted"));
  EXPECT_EQ(rooms_.hub_count(), 0u);
}

TEST_F(ThreadRoomsTest, LeavingEndsDeliveryBeforeItsAnswer) {
  Open(a_, "a");
  Join(a_, "a", To("r"), 10);
  bool left = false;
  rooms_.Leave("a", "r", "c", [&](const RoomError& error) { left = error.ok(); });
  const rooms::v1::EdgeRequest request = Request();
  Records(11, 11);
  rooms::v1::OwnerReply reply;
  reply.set_request_id(request.request_id());
  reply.set_left(true);
  rig_.Answer(std::move(reply));
  Records(12, 12);
  EXPECT_TRUE(left);
  EXPECT_THAT(Seen(a_), ElementsAre("joined", "11"));
  EXPECT_EQ(rooms_.hub_count(), 0u);
}

TEST_F(ThreadRoomsTest, AClosedSessionHearsNothingMore) {
  Open(a_, "a");
  Join(a_, "a", To("r"), 10);
  a_.log.clear();
  bool answered = false;
  rooms_.Publish("a", {.room_id = "r", .payload = "1"},
                 [&](const PublishResult&) { answered = true; });
  rooms_.Join("a", To("other"), [&](const JoinResult&) { answered = true; });
  const std::vector<rooms::v1::EdgeRequest> requests = Requests();
  rooms_.CloseSession("a", /*moving=*/true);
  EXPECT_TRUE(Request().close_session().moving());
  for (const auto& request : requests) AnswerError(request, "UNAVAILABLE");
  Records(11, 11);
  Notify("n", true, "a");
  EXPECT_FALSE(answered);
  EXPECT_THAT(a_.log, IsEmpty());
  EXPECT_EQ(rooms_.hub_count(), 0u);
}

TEST_F(ThreadRoomsTest, PublishesCarryWhatTheClientSaid) {
  Open(a_, "a");
  std::optional<PublishResult> result;
  rooms_.Publish("a",
                 {.room_id = "r",
                  .correlation_id = "c",
                  .event_type = "t",
                  .payload = "[1]",
                  .idempotency_key = "k",
                  .ttl_ms = 5,
                  .priority = Priority::kHigh},
                 [&](PublishResult published) { result = std::move(published); });
  const rooms::v1::EdgeRequest request = Request();
  EXPECT_EQ(request.session_id(), "a");
  EXPECT_EQ(request.correlation_id(), "c");
  EXPECT_EQ(request.publish().payload(), "[1]");
  EXPECT_EQ(request.publish().idempotency_key(), "k");
  EXPECT_EQ(request.publish().ttl_ms(), 5);
  EXPECT_EQ(request.publish().priority(), covet::common::v1::PRIORITY_HIGH);
  rooms::v1::OwnerReply reply;
  reply.set_request_id(request.request_id());
  reply.mutable_published()->set_offset(7);
  reply.mutable_published()->set_duplicate(true);
  rig_.Answer(std::move(reply));
  Pump();
  ASSERT_TRUE(result.has_value());
  EXPECT_EQ(result->offset, 7);
  EXPECT_TRUE(result->duplicate);
}

TEST_F(ThreadRoomsTest, NotificationsGoWhereTheyAreSent) {
  Open(a_, "a");
  Open(b_, "b");
  Join(a_, "a", To("r"), 10);
  a_.log.clear();
  Notify("session", true, "b");
  Notify("room", false, "", "r");
  Notify("nowhere", false, "", "other");
  Notify("everyone", false, "");
  EXPECT_THAT(a_.log, ElementsAre("told:room", "told:everyone"));
  EXPECT_THAT(b_.log, ElementsAre("notified:session", "told:everyone"));
}

TEST_F(ThreadRoomsTest, WhatIsBeingAcknowledgedDoesNotComeAgain) {
  Open(a_, "a");
  Notify("n", true, "a");
  rooms_.AckNotification("a", "n", /*explicit_ack=*/true);
  rooms_.AckNotification("a", "n", true);
  const rooms::v1::EdgeRequest ack = Request();
  EXPECT_EQ(ack.notification_ack().notification_id(), "n");
  EXPECT_TRUE(ack.notification_ack().explicit_());
  Notify("n", true, "a");
  EXPECT_THAT(a_.log, ElementsAre("notified:n"));
  rooms::v1::OwnerReply reply;
  reply.set_request_id(ack.request_id());
  reply.set_acknowledged(true);
  rig_.Answer(std::move(reply));
  Pump();
  rooms_.Tick();
  EXPECT_THAT(Requests(), IsEmpty());
}

TEST_F(ThreadRoomsTest, AnAcknowledgementIsRepeatedUntilItIsConfirmed) {
  Open(a_, "a");
  rooms_.AckNotification("a", "n", false);
  AnswerError(Request(), "UNAVAILABLE");
  EXPECT_THAT(Requests(), IsEmpty());
  rooms_.Tick();
  const rooms::v1::EdgeRequest again = Request();
  EXPECT_EQ(again.notification_ack().notification_id(), "n");
  EXPECT_FALSE(again.notification_ack().explicit_());
  rooms_.Tick();
  EXPECT_THAT(Requests(), IsEmpty());  // It is under way.
  // One that the owner refuses for good is not.
  AnswerError(again, "NOT_FOUND");
  rooms_.Tick();
  EXPECT_THAT(Requests(), IsEmpty());
}

TEST_F(ThreadRoomsTest, ReadNotificationsAreToldToTheirSessions) {
  Open(a_, "a");
  rooms::v1::OwnerItem item;
  item.mutable_notification_read()->set_notification_id("n");
  item.mutable_notification_read()->add_session_ids("a");
  item.mutable_notification_read()->add_session_ids("elsewhere");
  rig_.Answer(std::move(item));
  Pump();
  EXPECT_THAT(a_.log, ElementsAre("read:n"));
}

TEST_F(ThreadRoomsTest, MetricsEndByUnsubscribing) {
  Open(a_, "a");
  JoinParams params = To("r");
  params.subscribe_to_metrics = true;
  Join(a_, "a", params, 0);
  a_.log.clear();
  const auto metrics = [&] {
    rooms::v1::OwnerItem item;
    item.mutable_metrics()->set_room_id("r");
    item.mutable_metrics()->set_record(R"({"members":1})");
    rig_.Answer(std::move(item));
    Pump();
  };
  metrics();
  ASSERT_THAT(a_.log, SizeIs(1));
  EXPECT_THAT(a_.log[0], HasSubstr(R"("subscription_id":"j")"));
  EXPECT_FALSE(rooms_.UnsubscribeMetrics("a", "other"));
  EXPECT_TRUE(rooms_.UnsubscribeMetrics("a", "j"));
  EXPECT_FALSE(rooms_.UnsubscribeMetrics("a", "j"));
  EXPECT_FALSE(rooms_.UnsubscribeMetrics("stranger", "j"));
  metrics();
  EXPECT_THAT(a_.log, SizeIs(1));
}

TEST_F(ThreadRoomsTest, ASlowReaderGoesOnWhenItsSocketDrains) {
  Open(a_, "a");
  Join(a_, "a", To("r"), 10);
  a_.log.clear();
  a_.room = 0;
  Records(11, 13);
  EXPECT_THAT(Seen(a_), ElementsAre("11"));
  a_.room = 100;
  rooms_.OnDrained("a");
  rooms_.OnDrained("stranger");
  EXPECT_THAT(Seen(a_), ElementsAre("12", "13"));
}

// A socket that is behind is behind for all rooms of its session.
TEST_F(ThreadRoomsTest, ManyRoomsResumeInTurns) {
  Open(a_, "a");
  a_.room = 2;
  std::vector<rooms::v1::EdgeRequest> reads;
  const auto collect = [&] {
    for (rooms::v1::EdgeRequest& request : Requests()) {
      if (request.has_read()) reads.push_back(std::move(request));
    }
  };
  std::vector<std::string> expected;
  for (int i = 10; i < 30; ++i) {
    const std::string room_id = "r" + std::to_string(i);
    Join(a_, "a", Resume(7, "e", room_id), 10);
    collect();
    EXPECT_THAT(reads, SizeIs(1));
    for (const char* offset : {"8", "9", "10"}) expected.push_back(room_id + ":" + offset);
  }
  a_.log.clear();
  std::vector<std::string> seen;
  for (int turn = 0; turn < 200 && seen.size() < expected.size(); ++turn) {
    if (reads.empty()) {
      ASSERT_TRUE(a_.behind());
      a_.room = 2;
      rooms_.OnDrained("a");
    } else {
      const rooms::v1::EdgeRequest read = reads[0];
      reads.clear();
      AnswerRead(read, 10);
    }
    collect();
    EXPECT_LE(reads.size(), 1u);
    if (a_.behind()) EXPECT_THAT(reads, IsEmpty());
    const std::vector<std::string> sent = a_.Take();
    EXPECT_LE(sent.size(), 3u);
    for (const std::string& frame : sent) {
      const size_t at = frame.find("\"room_id\":\"") + 11;
      const size_t offset = frame.find("\"offset\":") + 9;
      seen.push_back(frame.substr(at, 3) + ":" +
                     frame.substr(offset, frame.find_first_of(",}", offset) - offset));
    }
  }
  // Each room's in order, each once, whatever comes between.
  std::stable_sort(seen.begin(), seen.end(), [](const std::string& a, const std::string& b) {
    return a.substr(0, 3) < b.substr(0, 3);
  });
  EXPECT_EQ(seen, expected);
}

TEST_F(ThreadRoomsTest, ACrowdThatResumesStandsInLine) {
  constexpr size_t kCrowd = 100;
  std::vector<Reader> readers(kCrowd);
  std::vector<rooms::v1::EdgeRequest> reads;
  for (size_t i = 0; i < kCrowd; ++i) {
    const std::string session_id = "s" + std::to_string(i);
    Open(readers[i], session_id);
    Join(readers[i], session_id, Resume(7), 10);
    for (rooms::v1::EdgeRequest& request : Requests()) reads.push_back(std::move(request));
  }
  EXPECT_THAT(reads, SizeIs(64));
  rooms_.CloseSession("s64", false);  // The first in line.
  Requests();
  for (size_t i = 0; i < reads.size(); ++i) {
    AnswerRead(reads[i], 10);
    for (rooms::v1::EdgeRequest& request : Requests()) reads.push_back(std::move(request));
    EXPECT_LE(reads.size(), i + 1 + 64);
  }
  for (size_t i = 0; i < kCrowd; ++i) {
    if (i == 64) continue;
    EXPECT_THAT(Seen(readers[i]), ElementsAre("joined", "R8", "R9", "R10")) << i;
  }
}

TEST_F(ThreadRoomsTest, JoiningAgainKeepsThePlaceOfASessionThatWasFurther) {
  Open(a_, "a");
  EXPECT_EQ(Join(a_, "a", Resume(14), 14).offset, 14);
  Open(b_, "b");
  Join(b_, "b", To("r"), 14);
  a_.log.clear();
  EXPECT_EQ(Join(a_, "a", To("r"), 14).offset, 14);
  Records(15, 15);
  EXPECT_THAT(Seen(a_), ElementsAre("joined", "15"));
}

TEST_F(ThreadRoomsTest, JoiningAgainKeepsThePlaceOfAReplayThatReadOn) {
  Open(a_, "a");
  Join(a_, "a", Resume(7), 10);
  a_.room = 5;
  // The page ends beyond what the hub has heard, and the socket is full.
  AnswerRead(Request(), 13);
  EXPECT_THAT(Seen(a_), ElementsAre("joined", "R8", "R9", "R10", "11", "12", "13"));
  EXPECT_EQ(Join(a_, "a", To("r"), 13).offset, 13);
  a_.room = 100;
  rooms_.OnDrained("a");
  Records(11, 14);
  EXPECT_THAT(Seen(a_), ElementsAre("joined", "14"));
}

}  // namespace
}  // namespace covet::edge
