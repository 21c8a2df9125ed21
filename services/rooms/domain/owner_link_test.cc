#include "services/rooms/domain/owner_link.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace covet::rooms {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

v1::OwnerItem Event(const std::string& room_id, int64_t offset, size_t bytes = 10) {
  v1::OwnerItem item;
  item.mutable_records()->set_room_id(room_id);
  item.mutable_records()->set_first_offset(offset);
  item.mutable_records()->add_events(std::string(bytes, 'x'));
  return item;
}

v1::OwnerItem Reply(uint64_t id, size_t bytes = 0) {
  v1::OwnerItem item;
  item.mutable_reply()->set_request_id(id);
  if (bytes > 0) item.mutable_reply()->mutable_error()->set_message(std::string(bytes, 'x'));
  return item;
}

v1::OwnerItem Notification(bool acknowledge) {
  v1::OwnerItem item;
  item.mutable_notification()->set_notification_id("n");
  item.mutable_notification()->set_acknowledge(acknowledge);
  return item;
}

// What the link sends, frame by frame: replies as -id, events as their offset.
std::vector<std::vector<int64_t>> Frames(OwnerLink& link) {
  std::vector<std::vector<int64_t>> frames;
  v1::OwnerFrame frame;
  while (link.TakeFrame(&frame)) {
    std::vector<int64_t>& items = frames.emplace_back();
    for (const v1::OwnerItem& item : frame.items()) {
      items.push_back(item.has_reply() ? -static_cast<int64_t>(item.reply().request_id())
                                       : item.records().first_offset());
    }
  }
  return frames;
}

TEST(OwnerLinkTest, RepliesAndEventsShareOneOrder) {
  OwnerLink link(1'000);
  link.AddReply(Reply(1));
  EXPECT_TRUE(link.AddEvent("r", Event("r", 5)));
  link.AddReply(Reply(2));
  EXPECT_TRUE(link.AddEvent("r", Event("r", 6)));
  EXPECT_THAT(Frames(link), ElementsAre(ElementsAre(-1, 5, -2, 6)));
  EXPECT_TRUE(link.empty());
}

TEST(OwnerLinkTest, WelcomeAndBeatGoOnce) {
  OwnerLink link(1'000);
  EXPECT_TRUE(link.empty());
  link.SetWelcome("owner-1");
  link.AddBeat();
  v1::OwnerFrame frame;
  ASSERT_TRUE(link.TakeFrame(&frame));
  EXPECT_EQ(frame.welcome().owner_incarnation(), "owner-1");
  EXPECT_EQ(frame.welcome().generation(), 1);
  EXPECT_TRUE(frame.beat());
  EXPECT_FALSE(link.TakeFrame(&frame));
  link.AddReply(Reply(1));
  ASSERT_TRUE(link.TakeFrame(&frame));
  EXPECT_FALSE(frame.has_welcome());
  EXPECT_FALSE(frame.beat());
}

TEST(OwnerLinkTest, AFrameIsBoundedButTakesOneItemOfAnySize) {
  OwnerLink link(1'000);
  for (uint64_t id = 1; id <= 3; ++id) link.AddReply(Reply(id, 600 << 10));
  link.AddReply(Reply(4, 3 << 20));
  EXPECT_THAT(Frames(link),
              ElementsAre(ElementsAre(-1), ElementsAre(-2), ElementsAre(-3), ElementsAre(-4)));
}

TEST(OwnerLinkTest, TheLastOfTheCreditTakesAnEventOfAnySize) {
  OwnerLink link(1);
  EXPECT_TRUE(link.AddEvent("r", Event("r", 1, 5'000)));
  EXPECT_FALSE(link.AddEvent("r", Event("r", 2)));
  EXPECT_EQ(link.dropped(), 1);
}

TEST(OwnerLinkTest, ARoomWithAHoleStaysSilentUntilItIsTold) {
  OwnerLink link(1);
  EXPECT_TRUE(link.AddEvent("a", Event("a", 1)));
  EXPECT_FALSE(link.AddEvent("a", Event("a", 2)));
  EXPECT_FALSE(link.AddEvent("b", Event("b", 1)));
  EXPECT_FALSE(link.has_holes());
  EXPECT_THAT(link.TakeHoles(), IsEmpty());
  link.AddCredit(1'000);
  EXPECT_TRUE(link.has_holes());
  EXPECT_FALSE(link.AddEvent("a", Event("a", 3)));
  EXPECT_TRUE(link.AddEvent("c", Event("c", 1)));
  EXPECT_THAT(link.TakeHoles(), UnorderedElementsAre("a", "b"));
  EXPECT_FALSE(link.has_holes());
  EXPECT_TRUE(link.AddEvent("a", Event("a", 4)));
}

TEST(OwnerLinkTest, RepliesNeedNoCredit) {
  OwnerLink link(0);
  link.AddReply(Reply(1));
  link.AddControl(Reply(2));
  EXPECT_FALSE(link.AddTransient(Event("r", 1)));
  EXPECT_FALSE(link.has_holes());
  EXPECT_THAT(Frames(link), ElementsAre(ElementsAre(-1, -2)));
}

TEST(OwnerLinkTest, CreditCountsWhatBothEndsCount) {
  const int64_t cost = OwnerLink::Cost(Event("r", 1));
  v1::OwnerFrame frame;
  *frame.add_items() = Event("r", 1);
  v1::OwnerFrame received;
  ASSERT_TRUE(received.ParseFromString(frame.SerializeAsString()));
  EXPECT_EQ(OwnerLink::Cost(received.items(0)), cost);
  OwnerLink link(2 * cost);
  EXPECT_TRUE(link.AddEvent("r", Event("r", 1)));
  EXPECT_TRUE(link.AddEvent("r", Event("r", 2)));
  EXPECT_FALSE(link.AddEvent("r", Event("r", 3)));
}

TEST(OwnerLinkTest, NotificationsThatWaitAreDueWhenCreditReturns) {
  OwnerLink link(0);
  EXPECT_FALSE(link.AddNotification(Notification(/*acknowledge=*/false)));
  link.AddCredit(1);
  EXPECT_FALSE(link.TakeNotificationsDue());  // That one was for those who were there.
  EXPECT_TRUE(link.AddNotification(Notification(true)));
  EXPECT_FALSE(link.AddNotification(Notification(true)));
  EXPECT_FALSE(link.TakeNotificationsDue());
  link.AddCredit(1'000);
  EXPECT_TRUE(link.TakeNotificationsDue());
  EXPECT_FALSE(link.TakeNotificationsDue());
}

}  // namespace
}  // namespace covet::rooms
