#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "services/rooms/domain/testing/core_fixture.h"

namespace covet::rooms {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr int64_t kTickMs = 100;
constexpr char kRoom[] = "lobby_1";

class RoomsCoreMembersTest : public CoreFixture {
 protected:
  struct Member {
    std::string session_id;
    std::string user_id;
  };
  // The link of an edge whose sessions are these, each in the room. It beats only if the test does.
  uint64_t OpenEdge(const std::string& incarnation, const std::vector<Member>& members) {
    const uint64_t link = core_->OpenLink(this);
    v1::EdgeFrame frame = Hello(incarnation);
    Tell(members, frame.mutable_hello());
    EXPECT_TRUE(core_->OnEdgeFrame(link, frame).ok());
    Drain();
    return link;
  }
  static v1::EdgeFrame Hello(const std::string& incarnation) {
    v1::EdgeFrame frame;
    v1::EdgeHello& hello = *frame.mutable_hello();
    hello.set_incarnation(incarnation);
    hello.set_version(1);
    hello.set_credit_bytes(1 << 20);
    return frame;
  }
  static void Tell(const std::vector<Member>& members, v1::EdgeHello* hello) {
    for (const Member& member : members) {
      v1::EdgeSession& session = *hello->add_sessions();
      session.mutable_identity()->set_session_id(member.session_id);
      session.mutable_identity()->set_user_id(member.user_id);
      session.mutable_identity()->add_roles("member");
      session.add_rooms()->set_room_id(kRoom);
    }
  }
  // A member on the edge that beats: who hears of the others.
  void JoinWatcher() {
    Open("w", "watcher");
    Join("w", kRoom);
    EXPECT_THAT(Activity(), ElementsAre("joined:watcher:1"));
  }
  std::vector<std::string> Members() {
    v1::ListMembersRequest request;
    request.set_room_id(kRoom);
    std::vector<std::string> users;
    core_->ListMembers(Caller(), request, [&](const auto& response) {
      ASSERT_TRUE(response.ok()) << response.status();
      for (const v1::Member& member : response->members()) users.push_back(member.user_id());
    });
    return users;
  }

  // The room's own metrics among the items that came.
  std::vector<std::string> Metrics() {
    std::vector<std::string> records;
    for (const v1::OwnerItem& item : Take()) {
      if (item.has_metrics()) {
        records.push_back(item.metrics().room_id() + " " + item.metrics().record());
      }
    }
    return records;
  }
  static std::string Record(int second, int members, double message_rate, double byte_rate,
                            int64_t bytes) {
    return absl::StrCat(kRoom, R"( {"timestamp":"2025-09-10T12:00:)",
                        absl::Dec(second, absl::kZeroPad2), R"(.000Z","members":)", members,
                        R"(,"message_rate":)", message_rate, R"(,"byte_rate":)", byte_rate,
                        R"(,"bytes":)", bytes, "}");
  }
  // Of all records that the room's log holds.
  int64_t StoredBytes() {
    int64_t bytes = 0;
    for (const eventlog::Record& record : Records(absl::StrCat("room:", kRoom))) {
      bytes += static_cast<int64_t>(record.data.size());
    }
    return bytes;
  }
};

TEST_F(RoomsCoreMembersTest, AUserHasLeftFiveSecondsAfterTheLastSession) {
  JoinWatcher();
  Open("s", "u");
  Join("s", kRoom);
  EXPECT_THAT(Activity(), ElementsAre("joined:u:2"));
  Close("s");
  Pass(4'999, kTickMs);
  EXPECT_THAT(Activity(), IsEmpty());
  Pass(1);
  EXPECT_THAT(Activity(), ElementsAre("left:u:1"));
}

TEST_F(RoomsCoreMembersTest, MoreThanTwoHundredUsersAreCounted) {
  for (int i = 1; i <= 200; ++i) {
    const std::string user = absl::StrCat("u", i);
    Open(user, user);
    Join(user, kRoom);
  }
  const std::vector<std::string> named = Activity();
  ASSERT_EQ(named.size(), 200u);
  EXPECT_EQ(named.back(), "joined:u200:200");
  Open("u201", "u201");
  Join("u201", kRoom);
  EXPECT_THAT(Activity(), IsEmpty());
  Tick();
  EXPECT_THAT(Activity(), ElementsAre("count::201"));
}

TEST_F(RoomsCoreMembersTest, TheMembersOfADeadEdgeLeaveOnceWhenItsLeaseEnds) {
  JoinWatcher();
  Open("v1", "v");
  Join("v1", kRoom);
  const uint64_t link = OpenEdge("edge-2", {{"u1", "u"}, {"u2", "u"}, {"v2", "v"}});
  EXPECT_THAT(Activity(), ElementsAre("joined:v:2", "joined:u:3"));
  core_->CloseLink(link);
  Pass(9'999, kTickMs);
  EXPECT_THAT(Activity(), IsEmpty());
  EXPECT_THAT(Members(), ElementsAre("u", "v", "watcher"));
  Pass(1);
  // The lease was the time to come back; presence adds none of its own.
  EXPECT_THAT(Activity(), ElementsAre("left:u:2"));
  EXPECT_THAT(Members(), ElementsAre("v", "watcher"));
  EXPECT_EQ(core_->counters().leases_expired, 1);
  Pass(60'000, kTickMs);
  EXPECT_THAT(Activity(), IsEmpty());
  // Nor does an owner that starts anew find any of it.
  Restart();
  link_ = OpenEdge("edge-1", {{"w", "watcher"}, {"v1", "v"}});
  EXPECT_THAT(Members(), ElementsAre("v", "watcher"));
  Pass(60'000, kTickMs);
  EXPECT_THAT(Activity(), IsEmpty());
  EXPECT_EQ(core_->counters().leases_expired, 0);
}

TEST_F(RoomsCoreMembersTest, AHelloOfSeveralFramesCountsWithItsLast) {
  JoinWatcher();
  core_->CloseLink(OpenEdge("edge-2", {{"u1", "u"}, {"v1", "v"}}));
  EXPECT_THAT(Activity(), ElementsAre("joined:u:2", "joined:v:3"));
  const uint64_t link = core_->OpenLink(this);
  v1::EdgeFrame first = Hello("edge-2");
  Tell({{"x1", "x"}}, first.mutable_hello());
  first.mutable_hello()->set_more(true);
  EXPECT_TRUE(core_->OnEdgeFrame(link, first).ok());
  v1::EdgeFrame second;
  Tell({{"v1", "v"}}, second.mutable_hello());
  second.mutable_hello()->set_more(true);
  EXPECT_TRUE(core_->OnEdgeFrame(link, second).ok());
  Drain();
  EXPECT_THAT(Members(), ElementsAre("u", "v", "watcher"));
  v1::EdgeFrame last;
  last.mutable_hello()->add_rooms()->set_room_id(kRoom);
  EXPECT_TRUE(core_->OnEdgeFrame(link, last).ok());
  Drain();
  EXPECT_THAT(Members(), ElementsAre("u", "v", "watcher", "x"));
  Pass(60'000, kTickMs);
  EXPECT_THAT(Members(), ElementsAre("watcher"));
  // One that breaks off is nothing.
  const uint64_t broken = core_->OpenLink(this);
  EXPECT_TRUE(core_->OnEdgeFrame(broken, first).ok());
  core_->CloseLink(broken);
  EXPECT_THAT(Members(), ElementsAre("watcher"));
  EXPECT_TRUE(absl::IsInvalidArgument(core_->OnEdgeFrame(broken, last)));
}

TEST_F(RoomsCoreMembersTest, WhateverAnEdgeSendsRenewsItsLease) {
  JoinWatcher();
  const uint64_t link = OpenEdge("edge-2", {{"u1", "u"}});
  EXPECT_THAT(Activity(), ElementsAre("joined:u:2"));
  v1::EdgeFrame beat;
  beat.set_beat(true);
  v1::EdgeFrame credit;
  credit.set_credit_bytes(1);
  for (const v1::EdgeFrame& frame : {beat, credit, v1::EdgeFrame()}) {
    Pass(9'999, kTickMs);
    ASSERT_TRUE(core_->OnEdgeFrame(link, frame).ok());
  }
  Pass(9'999, kTickMs);
  EXPECT_THAT(Activity(), IsEmpty());
  Pass(1);
  EXPECT_THAT(Activity(), ElementsAre("left:u:1"));
  // It was alive after all: a new link tells of its members anew.
  EXPECT_TRUE(absl::IsInvalidArgument(core_->OnEdgeFrame(link, beat)));
  OpenEdge("edge-2", {{"u1", "u"}});
  EXPECT_THAT(Activity(), ElementsAre("joined:u:2"));
}

TEST_F(RoomsCoreMembersTest, AnEdgeHasAWholeLeaseFromTheOwnersStart) {
  JoinWatcher();
  OpenEdge("edge-2", {{"u1", "u"}});
  EXPECT_THAT(Activity(), ElementsAre("joined:u:2"));
  Pass(9'000, kTickMs);
  Restart();
  link_ = OpenEdge("edge-1", {{"w", "watcher"}});
  Pass(9'999, kTickMs);
  EXPECT_THAT(Activity(), IsEmpty());
  EXPECT_THAT(Members(), ElementsAre("u", "watcher"));
  Pass(1);
  EXPECT_THAT(Activity(), ElementsAre("left:u:1"));
  Pass(60'000, kTickMs);
  EXPECT_THAT(Activity(), IsEmpty());
}

TEST_F(RoomsCoreMembersTest, ARoomsOwnMetricsComeEachFiveSeconds) {
  Open("s", "u");
  Join("s", kRoom, /*metrics=*/true);
  // Members are users, not sessions.
  Open("t1", "v");
  Join("t1", kRoom);
  Open("t2", "v");
  Join("t2", kRoom);
  for (int i = 0; i < 8; ++i) Publish("s", kRoom, absl::StrCat("first-", i));
  const int64_t first = StoredBytes();
  ASSERT_GT(first, 0);
  Pass(4'999, kTickMs);
  EXPECT_THAT(Metrics(), IsEmpty());
  Pass(1);
  EXPECT_THAT(Metrics(), ElementsAre(Record(5, 2, 8 / 5.0, first / 5.0, first)));

  // Rates are of the time since the last record, `bytes` is all that the log holds.
  Publish("s", kRoom, "second");
  const int64_t second = StoredBytes();
  Pass(4'999, kTickMs);
  EXPECT_THAT(Metrics(), IsEmpty());
  Pass(1);
  EXPECT_THAT(Metrics(), ElementsAre(Record(10, 2, 1 / 5.0, (second - first) / 5.0, second)));

  Close("t1");
  Close("t2");
  Pass(5'000, kTickMs);
  EXPECT_THAT(Metrics(), ElementsAre(Record(15, 1, 0, 0, second)));

  // A tick that comes late.
  for (int i = 0; i < 4; ++i) Publish("s", kRoom, absl::StrCat("late-", i));
  const int64_t late = StoredBytes();
  Pass(8'000, 8'000);
  EXPECT_THAT(Metrics(), ElementsAre(Record(23, 1, 4 / 8.0, (late - second) / 8.0, late)));

  Join("s", kRoom, /*metrics=*/false);
  Pass(20'000, kTickMs);
  EXPECT_THAT(Metrics(), IsEmpty());
}

TEST_F(RoomsCoreMembersTest, MetricsGoToTheEdgesWhoseMembersWantThem) {
  Open("s", "u");
  Join("s", kRoom, /*metrics=*/true);
  const uint64_t other = OpenEdge("edge-2", {{"x", "v"}});
  Open("t", "u");
  Join("t", "lobby_2");
  Publish("s", kRoom, "k");
  Pass(5'000, kTickMs);
  const std::vector<std::string> records = Metrics();
  ASSERT_EQ(records.size(), 1u);  // Nobody wants those of lobby_2.
  EXPECT_THAT(records.front(), testing::StartsWith(kRoom));
  int others = 0;
  v1::OwnerFrame frame;
  while (core_->TakeFrame(other, &frame)) {
    for (const v1::OwnerItem& item : frame.items()) {
      ++others;
      EXPECT_FALSE(item.has_metrics());
    }
  }
  EXPECT_GT(others, 0);  // It did hear the message.
}

}  // namespace
}  // namespace covet::rooms
