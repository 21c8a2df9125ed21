#include "edge/rooms/room_hub.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "edge/rooms/testing/reader.h"

namespace covet::edge {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

class RoomHubTest : public ::testing::Test {
 protected:
  struct Asked {
    int64_t after;
    StreamTag tag;  // 0 for the hub itself, which reads a hole.
    uint64_t generation;
  };

  HubMember& Add(Reader& reader, const std::string& session_id, int64_t floor = 10,
                 bool go_on = false) {
    HubMember member;
    member.connection = &reader;
    member.subscriber = &reader;
    member.session_id = session_id;
    member.tag = ++tag_;
    member.floor = floor;
    return hub_.Add(std::move(member), go_on);
  }

  static PageResult Page(std::vector<int64_t> offsets, int64_t last_looked,
                         int64_t first_offset = 1, const std::string& epoch = "e") {
    PageResult page;
    page.epoch = epoch;
    page.first_offset = first_offset;
    page.last_looked = last_looked;
    for (const int64_t offset : offsets) page.events.push_back(MakeEvent(offset));
    return page;
  }

  bool Records(std::vector<int64_t> offsets) { return hub_.OnRecords(MakeRecords(offsets)); }

  // As the thread does it.
  void TakeTurn(HubMember& member) {
    if (member.replay == nullptr || member.connection->behind()) return;
    if (hub_.CatchUp(member) == RoomHub::Progress::kPage) {
      asked_.push_back({member.replay->cursor, member.tag, member.replay->generation});
    }
  }
  void StartReplay(HubMember& member, int64_t after, int64_t replay_end, bool may_skip) {
    hub_.StartReplay(member, after, replay_end, may_skip);
    TakeTurn(member);
  }
  bool OnMemberPage(HubMember& member, const PageResult& page) {
    const bool whole = hub_.OnMemberPage(member, page);
    if (whole) TakeTurn(member);
    return whole;
  }

  std::vector<Asked> asked_;
  std::vector<std::string> behind_;
  StreamTag tag_ = 0;
  Reader a_;
  Reader b_;
  RoomHub hub_{"e", 10,
               [this](int64_t after) {
                 asked_.push_back({after, 0, 0});
               },
               [this](const HubMember& member) { behind_.push_back(member.session_id); }};
};

TEST_F(RoomHubTest, DeliversOnceInOrderToEveryMember) {
  Add(a_, "a");
  Add(b_, "b");
  EXPECT_TRUE(Records({11, 12}));
  EXPECT_TRUE(Records({11, 12, 13}));  // As after a break of the link.
  EXPECT_THAT(a_.log, ElementsAre("{11}", "{12}", "{13}"));
  EXPECT_EQ(b_.log, a_.log);
  EXPECT_EQ(hub_.last_offset(), 13);
  EXPECT_THAT(asked_, IsEmpty());
  // One frame for all.
  EXPECT_EQ(a_.sent[0].frame, b_.sent[0].frame);
  EXPECT_FALSE(a_.sent[0].droppable);
}

TEST_F(RoomHubTest, AnotherEpochIsAReset) {
  Add(a_, "a");
  EXPECT_FALSE(hub_.OnRecords(MakeRecords({11}, "other")));
  EXPECT_FALSE(hub_.OnHead({"r", "other", 20}));
  EXPECT_FALSE(hub_.OnHolePage(Page({11}, 11, 1, "other")));
  // A log that ends before what was delivered is another one.
  EXPECT_FALSE(hub_.OnHead({"r", "e", 9}));
  EXPECT_THAT(a_.log, IsEmpty());
}

TEST_F(RoomHubTest, ReadsAHoleBack) {
  Add(a_, "a");
  EXPECT_TRUE(Records({13}));
  ASSERT_THAT(asked_, SizeIs(1));
  EXPECT_EQ(asked_[0].after, 10);
  EXPECT_EQ(asked_[0].tag, 0u);
  EXPECT_TRUE(Records({14}));
  EXPECT_THAT(asked_, SizeIs(1));  // One read at a time.
  EXPECT_THAT(a_.log, IsEmpty());
  EXPECT_TRUE(hub_.OnHolePage(Page({11, 12}, 12)));
  EXPECT_THAT(asked_, SizeIs(2));
  EXPECT_EQ(asked_[1].after, 12);
  EXPECT_TRUE(hub_.OnHolePage(Page({13, 14}, 14)));
  EXPECT_TRUE(Records({15}));
  EXPECT_THAT(a_.log, ElementsAre("{11}", "{12}", "{13}", "{14}", "{15}"));
  EXPECT_THAT(asked_, SizeIs(2));
}

TEST_F(RoomHubTest, AHoleThatClosesItselfIsNotRepeated) {
  Add(a_, "a");
  EXPECT_TRUE(hub_.OnHead({"r", "e", 12}));
  ASSERT_THAT(asked_, SizeIs(1));
  EXPECT_TRUE(Records({11, 12, 13}));
  EXPECT_TRUE(hub_.OnHolePage(Page({11, 12}, 12)));
  EXPECT_THAT(a_.log, ElementsAre("{11}", "{12}", "{13}"));
  EXPECT_EQ(hub_.last_offset(), 13);
}

TEST_F(RoomHubTest, AHoleThatTheLogHasNotIsAReset) {
  Add(a_, "a");
  EXPECT_TRUE(hub_.OnHead({"r", "e", 50}));
  EXPECT_FALSE(hub_.OnHolePage(Page({20, 21}, 21, /*first_offset=*/20)));
}

TEST_F(RoomHubTest, AHoleIsReadAgainWhenTheOwnerIsBack) {
  Add(a_, "a");
  EXPECT_TRUE(hub_.OnHead({"r", "e", 12}));
  hub_.OnHoleFailed();
  hub_.Retry();
  ASSERT_THAT(asked_, SizeIs(2));
  EXPECT_EQ(asked_[1].after, 10);
  hub_.Retry();
  EXPECT_THAT(asked_, SizeIs(2));
}

TEST_F(RoomHubTest, PagesSkipWhatHasEnded) {
  Add(a_, "a");
  EXPECT_TRUE(hub_.OnHead({"r", "e", 14}));
  // Records past their ttl have no frame; what was looked at counts.
  PageResult page = Page({11, 12}, 14);
  auto ended = std::make_shared<HubEvent>();
  ended->offset = 12;
  page.events[1] = ended;
  EXPECT_TRUE(hub_.OnHolePage(page));
  EXPECT_THAT(a_.log, ElementsAre("{11}"));
  EXPECT_EQ(hub_.last_offset(), 14);
}

TEST_F(RoomHubTest, FiltersNameWhatArrives) {
  HubMember& member = Add(a_, "a");
  member.filtered = true;
  member.event_types = {"chat", "news"};
  RecordsItem item{
      "r", "e", {MakeEvent(11, "chat"), MakeEvent(12, "other"), MakeEvent(13, "news")}};
  EXPECT_TRUE(hub_.OnRecords(item));
  EXPECT_THAT(a_.log, ElementsAre("{11}", "{13}"));
  EXPECT_TRUE(HubMember().Wants("anything"));
  // A filter without types lets nothing through.
  member.event_types.clear();
  EXPECT_FALSE(member.Wants("chat"));
}

TEST_F(RoomHubTest, PresenceGoesToReadersThatWantIt) {
  Add(a_, "a").filtered = true;
  Add(b_, "b");
  hub_.OnPresence({"r", Frame::Text("{p}", 1)});
  EXPECT_THAT(a_.log, IsEmpty());
  EXPECT_THAT(b_.log, ElementsAre("{p}"));
  EXPECT_TRUE(b_.sent[0].droppable);
  hub_.Find("a")->event_types = {"user_activity"};
  hub_.OnPresence({"r", Frame::Text("{q}", 1)});
  EXPECT_THAT(a_.log, ElementsAre("{q}"));
}

TEST_F(RoomHubTest, MetricsGoToThoseWhoAsked) {
  Add(a_, "a").metrics_head = std::make_shared<const std::string>("S");
  Add(b_, "b");
  hub_.OnMetrics({"r", Frame::Text("{m}", 1)});
  EXPECT_THAT(a_.log, ElementsAre("{Sm}"));
  EXPECT_THAT(b_.log, IsEmpty());
}

TEST_F(RoomHubTest, AFloorKeepsOutWhatWasSeen) {
  Add(a_, "a", /*floor=*/12);
  Add(b_, "b");
  EXPECT_TRUE(Records({11, 12, 13}));
  EXPECT_THAT(a_.log, ElementsAre("{13}"));
  EXPECT_THAT(b_.log, SizeIs(3));
}

TEST_F(RoomHubTest, AReplayComesBeforeWhatIsLive) {
  Add(b_, "b");
  HubMember& member = Add(a_, "a");
  StartReplay(member, 7, 10, /*may_skip=*/false);
  ASSERT_THAT(asked_, SizeIs(1));
  EXPECT_EQ(asked_[0].after, 7);
  EXPECT_EQ(asked_[0].tag, member.tag);
  EXPECT_TRUE(Records({11}));
  EXPECT_THAT(a_.log, IsEmpty());
  EXPECT_THAT(b_.log, ElementsAre("{11}"));
  EXPECT_TRUE(OnMemberPage(member, Page({8, 9}, 9)));
  EXPECT_THAT(asked_, SizeIs(2));
  EXPECT_TRUE(OnMemberPage(member, Page({10, 11}, 11)));
  EXPECT_EQ(member.replay, nullptr);
  EXPECT_TRUE(Records({12}));
  // What was live at the time of joining is no replay.
  EXPECT_THAT(a_.log, ElementsAre("R{8}", "R{9}", "R{10}", "{11}", "{12}"));
}

TEST_F(RoomHubTest, APromisedReplayMustBeWhole) {
  HubMember& whole = Add(a_, "a");
  StartReplay(whole, 3, 10, /*may_skip=*/false);
  EXPECT_FALSE(OnMemberPage(whole, Page({6, 7}, 7, /*first_offset=*/6)));
  HubMember& rest = Add(b_, "b");
  StartReplay(rest, 3, 10, /*may_skip=*/true);
  EXPECT_TRUE(OnMemberPage(rest, Page({6, 7}, 7, /*first_offset=*/6)));
  EXPECT_THAT(b_.log, ElementsAre("R{6}", "R{7}"));
  // Once it has begun nothing may be missing.
  EXPECT_FALSE(OnMemberPage(rest, Page({9, 10}, 10, /*first_offset=*/9)));
}

TEST_F(RoomHubTest, APageOfAnotherEpochEndsTheReplay) {
  HubMember& member = Add(a_, "a");
  StartReplay(member, 3, 10, false);
  EXPECT_FALSE(OnMemberPage(member, Page({4}, 4, 1, "other")));
}

TEST_F(RoomHubTest, AReplayIsPacedByTheSocket) {
  HubMember& member = Add(a_, "a");
  a_.room = 1;
  StartReplay(member, 5, 10, false);
  EXPECT_TRUE(OnMemberPage(member, Page({6, 7}, 7)));
  EXPECT_THAT(a_.log, SizeIs(2));
  EXPECT_THAT(asked_, SizeIs(1));
  a_.room = 100;
  TakeTurn(*hub_.Find("a"));
  ASSERT_THAT(asked_, SizeIs(2));
  EXPECT_EQ(asked_[1].after, 7);
  // A page ends where the socket has enough; the rest is read again.
  a_.room = 1;
  EXPECT_TRUE(OnMemberPage(member, Page({8, 9, 10}, 10)));
  EXPECT_THAT(a_.log, ElementsAre("R{6}", "R{7}", "R{8}", "R{9}"));
  a_.room = 100;
  TakeTurn(member);
  ASSERT_THAT(asked_, SizeIs(3));
  EXPECT_EQ(asked_[2].after, 9);
  EXPECT_TRUE(OnMemberPage(member, Page({10}, 10)));
  EXPECT_THAT(a_.log, ElementsAre("R{6}", "R{7}", "R{8}", "R{9}", "R{10}"));
  EXPECT_EQ(member.replay, nullptr);
}

TEST_F(RoomHubTest, ASocketThatIsBehindAlreadyGetsNothingMore) {
  Add(a_, "a");
  a_.room = 0;
  a_.Send(Outbound{.frame = Frame::Text("{another room's}", 1)});
  EXPECT_TRUE(Records({11, 12}));
  EXPECT_THAT(a_.Take(), SizeIs(1));
  EXPECT_THAT(behind_, ElementsAre("a"));
  a_.room = 100;
  TakeTurn(*hub_.Find("a"));
  EXPECT_TRUE(Records({13}));
  EXPECT_THAT(a_.log, ElementsAre("{11}", "{12}", "{13}"));
  EXPECT_THAT(asked_, IsEmpty());
}

TEST_F(RoomHubTest, WhatAFilterLetsPassPacesAReplayToo) {
  HubMember& member = Add(a_, "a");
  member.filtered = true;
  member.event_types = {"chat"};
  a_.room = 0;
  StartReplay(member, 5, 10, false);
  PageResult page = Page({}, 7);
  page.events = {MakeEvent(6, "chat"), MakeEvent(7, "other")};
  EXPECT_TRUE(OnMemberPage(member, page));
  EXPECT_THAT(a_.log, ElementsAre("R{6}"));
  EXPECT_THAT(asked_, SizeIs(1));
  a_.room = 100;
  TakeTurn(member);
  EXPECT_THAT(asked_, SizeIs(2));
}

TEST_F(RoomHubTest, ASlowReaderReadsOnWithoutLoss) {
  Add(a_, "a");
  Add(b_, "b");
  a_.room = 1;
  EXPECT_TRUE(Records({11, 12, 13, 14}));
  // One beyond the mark, and then no more until it drains.
  EXPECT_THAT(a_.log, ElementsAre("{11}", "{12}"));
  EXPECT_THAT(b_.log, SizeIs(4));
  a_.room = 1;
  TakeTurn(*hub_.Find("a"));
  EXPECT_THAT(a_.Take(), ElementsAre("{11}", "{12}", "{13}", "{14}"));
  EXPECT_TRUE(Records({15}));
  EXPECT_THAT(a_.log, IsEmpty());
  a_.room = 100;
  TakeTurn(*hub_.Find("a"));
  EXPECT_TRUE(Records({16}));
  EXPECT_THAT(a_.log, ElementsAre("{15}", "{16}"));
  // The hub still had it all.
  EXPECT_THAT(asked_, IsEmpty());
  EXPECT_EQ(hub_.Find("a")->replay, nullptr);
}

TEST_F(RoomHubTest, WhatTheHubDoesNotRetainIsReadBack) {
  Add(a_, "a");
  a_.room = 0;
  const std::string large(300 << 10, 'x');
  RecordsItem item{"r", "e", {}};
  for (int64_t offset = 11; offset <= 20; ++offset) {
    auto event = std::make_shared<HubEvent>();
    event->offset = offset;
    event->event_type = "t";
    event->frame = Frame::Text(large, 0);
    item.events.push_back(event);
  }
  EXPECT_TRUE(hub_.OnRecords(item));
  EXPECT_THAT(a_.log, SizeIs(1));
  a_.room = 1'000;
  TakeTurn(*hub_.Find("a"));
  ASSERT_THAT(asked_, SizeIs(1));
  EXPECT_EQ(asked_[0].after, 11);
  EXPECT_TRUE(OnMemberPage(*hub_.Find("a"), Page({12, 13, 14, 15, 16, 17}, 17)));
  EXPECT_THAT(a_.log, SizeIs(10));  // 18 to 20 were still there.
  EXPECT_EQ(hub_.Find("a")->replay, nullptr);
}

TEST_F(RoomHubTest, AReplayThatBeginsAnewIsAnotherReplay) {
  HubMember& member = Add(a_, "a");
  StartReplay(member, 5, 10, false);
  TakeTurn(member);
  ASSERT_THAT(asked_, SizeIs(2));
  EXPECT_EQ(asked_[1].after, 5);
  EXPECT_EQ(asked_[1].generation, asked_[0].generation);
  StartReplay(member, 6, 10, false);
  EXPECT_NE(asked_[2].generation, asked_[0].generation);
}

TEST_F(RoomHubTest, JoiningAgainReplacesTheOptions) {
  HubMember& member = Add(a_, "a");
  member.filtered = true;
  StartReplay(member, 5, 10, false);
  Add(a_, "a", 10, /*go_on=*/true);
  EXPECT_THAT(hub_.members(), SizeIs(1));
  EXPECT_FALSE(hub_.Find("a")->filtered);
  ASSERT_NE(hub_.Find("a")->replay, nullptr);
  EXPECT_TRUE(OnMemberPage(*hub_.Find("a"), Page({6, 7, 8, 9, 10}, 10)));
  EXPECT_THAT(a_.log, SizeIs(5));
  // Without going on the replay ends.
  StartReplay(*hub_.Find("a"), 5, 10, false);
  Add(a_, "a", 10);
  EXPECT_EQ(hub_.Find("a")->replay, nullptr);
  EXPECT_TRUE(Records({11}));
  EXPECT_EQ(a_.log.back(), "{11}");
}

TEST_F(RoomHubTest, NothingFollowsALeave) {
  Add(a_, "a");
  Add(b_, "b");
  a_.room = 0;
  EXPECT_TRUE(Records({11}));
  hub_.Remove("a");
  hub_.Remove("stranger");
  EXPECT_TRUE(Records({12}));
  EXPECT_THAT(a_.log, SizeIs(1));
  EXPECT_THAT(b_.log, SizeIs(2));
  EXPECT_EQ(hub_.Find("a"), nullptr);
  hub_.Remove("b");
  EXPECT_TRUE(hub_.empty());
}

}  // namespace
}  // namespace covet::edge
