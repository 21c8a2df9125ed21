#include "edge/rooms/link_decoder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "common/base/id_generator.h"
#include "common/base/manual_clock.h"
#include "covet/rooms/v1/storage.pb.h"

namespace covet::edge {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

class LinkDecoderTest : public ::testing::Test {
 protected:
  LinkDecoderTest() { clock_.AdvanceMillis(50'000); }

  static std::string Stored(const std::string& payload, int64_t expires_ms = 0) {
    rooms::v1::StoredEvent event;
    event.set_event_type("chat");
    event.set_user_id("u");
    event.set_session_id("s");
    event.set_payload(payload);
    event.set_time_ms(1'757'505'600'000);
    event.set_expires_ms(expires_ms);
    event.set_priority(covet::common::v1::PRIORITY_HIGH);
    return event.SerializeAsString();
  }

  // What the item becomes; its cost goes to `credit_`.
  template <typename T>
  T Decode(rooms::v1::OwnerItem item) {
    LinkBatch batch;
    LinkDecoder(clock_, kOwnerNow, encoder_).Decode(item, batch);
    credit_ = batch.credit_bytes;
    EXPECT_EQ(batch.items.size(), 1u);
    return std::get<T>(batch.items.at(0));
  }

  static constexpr int64_t kOwnerNow = 9'000'000;  // The owner's clock is its own.
  ManualClock clock_;
  SeededIds ids_{1};
  MessageIds message_ids_{ids_};
  MessageEncoder encoder_{&message_ids_, &clock_};
  int64_t credit_ = 0;
};

TEST_F(LinkDecoderTest, RecordsHaveDenseOffsetsAndCostCredit) {
  rooms::v1::OwnerItem item;
  item.mutable_records()->set_room_id("r");
  item.mutable_records()->set_epoch("e");
  item.mutable_records()->set_first_offset(7);
  item.mutable_records()->add_events(Stored("1"));
  item.mutable_records()->add_events("");  // Past its ttl.
  item.mutable_records()->add_events(Stored("[3]"));
  const auto cost = static_cast<int64_t>(item.ByteSizeLong());
  const auto records = Decode<RecordsItem>(item);
  EXPECT_EQ(credit_, cost);
  EXPECT_EQ(records.room_id, "r");
  EXPECT_EQ(records.epoch, "e");
  ASSERT_THAT(records.events, SizeIs(3));
  EXPECT_EQ(records.events[0]->offset, 7);
  EXPECT_EQ(records.events[1]->offset, 8);
  EXPECT_EQ(records.events[1]->frame, nullptr);
  EXPECT_EQ(records.events[2]->offset, 9);
  EXPECT_EQ(records.events[2]->event_type, "chat");
  EXPECT_EQ(records.events[2]->priority, Priority::kHigh);
  const std::string text(records.events[2]->frame->text());
  EXPECT_THAT(text, HasSubstr(R"("payload":[3])"));
  EXPECT_THAT(text, HasSubstr(R"("offset":9)"));
  EXPECT_THAT(text, HasSubstr(R"("timestamp":"2025-09-10T12:00:00.000Z")"));
}

TEST_F(LinkDecoderTest, WhatIsNoMessageIsPassedOverInItsPlace) {
  rooms::v1::OwnerItem item;
  item.mutable_records()->set_first_offset(1);
  item.mutable_records()->add_events("\xff\xff\xff");
  const auto records = Decode<RecordsItem>(item);
  ASSERT_THAT(records.events, SizeIs(1));
  EXPECT_EQ(records.events[0]->offset, 1);
  EXPECT_EQ(records.events[0]->frame, nullptr);
}

TEST_F(LinkDecoderTest, EndsByTheOwnersClockAreEndsByOurs) {
  const auto end = [&](int64_t owner_ms) {
    rooms::v1::OwnerItem item;
    item.mutable_records()->set_first_offset(1);
    item.mutable_records()->add_events(Stored("1", owner_ms));
    return Decode<RecordsItem>(item).events[0]->expires_at_ms;
  };
  EXPECT_EQ(end(0), 0);
  EXPECT_EQ(end(kOwnerNow + 500), clock_.SteadyMillis() + 500);
  EXPECT_EQ(end(kOwnerNow - 500), clock_.SteadyMillis() - 500);
  // Long ago is still no "never".
  EXPECT_EQ(end(1), 1);
}

TEST_F(LinkDecoderTest, AReadBecomesAPage) {
  rooms::v1::OwnerItem item;
  item.mutable_reply()->set_request_id(4);
  rooms::v1::LinkReadResult& read = *item.mutable_reply()->mutable_read();
  read.set_room_id("r");
  read.set_epoch("e");
  read.set_first_offset(3);
  read.set_last_offset(9);
  rooms::v1::LinkRecord& record = *read.add_records();
  record.set_offset(5);
  record.set_event(Stored("5"));
  const auto reply = Decode<ReplyItem>(item);
  EXPECT_EQ(credit_, 0);  // The edge asked for it.
  EXPECT_EQ(reply.reply.request_id(), 4u);
  EXPECT_FALSE(reply.reply.has_read());
  EXPECT_EQ(reply.page.epoch, "e");
  EXPECT_EQ(reply.page.first_offset, 3);
  EXPECT_EQ(reply.page.last_looked, 9);
  ASSERT_THAT(reply.page.events, SizeIs(1));
  EXPECT_EQ(reply.page.events[0]->offset, 5);
}

TEST_F(LinkDecoderTest, NotificationsCostCredit) {
  rooms::v1::OwnerItem item;
  rooms::v1::LinkNotification& notification = *item.mutable_notification();
  notification.set_notification_id("n");
  notification.mutable_content()->set_title("Hello");
  notification.set_expires_ms(kOwnerNow + 100);
  notification.add_session_ids("s");
  notification.set_acknowledge(true);
  const auto cost = static_cast<int64_t>(item.ByteSizeLong());
  const auto decoded = Decode<NotificationItem>(item);
  EXPECT_EQ(credit_, cost);
  EXPECT_EQ(decoded.notification_id, "n");
  EXPECT_EQ(decoded.expires_at_ms, clock_.SteadyMillis() + 100);
  EXPECT_THAT(decoded.session_ids, ElementsAre("s"));
  EXPECT_TRUE(decoded.acknowledge);
  EXPECT_EQ(decoded.priority, Priority::kNormal);
  EXPECT_THAT(std::string(decoded.frame->text()), HasSubstr(R"("title":"Hello")"));
}

TEST_F(LinkDecoderTest, PresenceAndMetricsAreFramedOnce) {
  rooms::v1::OwnerItem presence;
  presence.mutable_presence()->set_room_id("r");
  presence.mutable_presence()->set_action("joined");
  presence.mutable_presence()->set_user_id("u");
  const auto activity = Decode<PresenceItem>(presence);
  EXPECT_GT(credit_, 0);
  EXPECT_EQ(activity.room_id, "r");
  EXPECT_THAT(std::string(activity.frame->text()), HasSubstr(R"("event_type":"user_activity")"));
  rooms::v1::OwnerItem metrics;
  metrics.mutable_metrics()->set_room_id("r");
  metrics.mutable_metrics()->set_record(R"({"members":1})");
  const auto record = Decode<MetricsItem>(metrics);
  EXPECT_GT(credit_, 0);
  EXPECT_THAT(std::string(record.frame->text()), HasSubstr(R"({"members":1})"));
  EXPECT_TRUE(record.frame->can_splice());
}

TEST_F(LinkDecoderTest, ControlItemsAreTakenOver) {
  rooms::v1::OwnerItem head;
  head.mutable_head()->set_room_id("r");
  head.mutable_head()->set_epoch("e");
  head.mutable_head()->set_offset(8);
  EXPECT_EQ(Decode<HeadItem>(head).offset, 8);
  EXPECT_EQ(credit_, 0);
  rooms::v1::OwnerItem closed;
  closed.mutable_room_closed()->set_room_id("r");
  closed.mutable_room_closed()->set_reason("deleted");
  EXPECT_EQ(Decode<ClosedItem>(closed).reason, "deleted");
  rooms::v1::OwnerItem removed;
  removed.mutable_member_removed()->set_session_id("s");
  EXPECT_EQ(Decode<RemovedItem>(removed).session_id, "s");
  rooms::v1::OwnerItem read;
  read.mutable_notification_read()->set_notification_id("n");
  read.mutable_notification_read()->add_session_ids("s");
  EXPECT_THAT(Decode<NotificationReadItem>(read).session_ids, ElementsAre("s"));
}

TEST_F(LinkDecoderTest, WhatANewerOwnerSendsIsPassedOver) {
  LinkBatch batch;
  rooms::v1::OwnerItem item;
  LinkDecoder(clock_, kOwnerNow, encoder_).Decode(item, batch);
  EXPECT_TRUE(batch.items.empty());
}

}  // namespace
}  // namespace covet::edge
