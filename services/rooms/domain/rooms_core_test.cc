#include "services/rooms/domain/rooms_core.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "services/rooms/domain/errors.h"
#include "services/rooms/domain/testing/core_fixture.h"

namespace covet::rooms {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

constexpr int64_t kHour = 3'600'000;

using RoomsCoreTest = CoreFixture;

// Notes what it is told.
struct Follower final : public RoomFollower {
  explicit Follower(const IdentityPtr& caller) {
    session_id = "f";
    identity = caller;
  }
  void OnAdvance() override {}
  void OnPresence(const v1::RoomPresence&) override {}
  void OnLeft(const std::string&) override {}
};

TEST_F(RoomsCoreTest, ARoomOfAPatternGoesADayAfterItsLastMember) {
  Open("s", "u");
  Join("s", "lobby_1");
  Pass(30 * kHour, kHour / 4);
  // Nobody said anything, but someone was there.
  ASSERT_TRUE(Exists("lobby_1"));
  Close("s");
  Pass(5'000);
  Pass(24 * kHour - 10'000, kHour / 4);
  EXPECT_TRUE(Exists("lobby_1"));
  Pass(30'000);
  EXPECT_FALSE(Exists("lobby_1"));
}

TEST_F(RoomsCoreTest, ThatDayIsCountedAcrossRestarts) {
  Open("s", "u");
  Join("s", "lobby_1");
  Pass(20 * kHour, kHour / 4);
  Close("s");
  Pass(6'000);
  Restart();
  OpenLink();
  Pass(23 * kHour, kHour / 4);
  EXPECT_TRUE(Exists("lobby_1"));
  Pass(kHour + 20'000, 10'000);
  EXPECT_FALSE(Exists("lobby_1"));
}

TEST_F(RoomsCoreTest, AMessageKeepsARoomForADayAcrossRestarts) {
  Open("s", "u");
  Join("s", "lobby_1");
  Close("s");
  Pass(6'000);
  Pass(20 * kHour, kHour / 4);
  v1::PublishRequest request;
  request.set_room_id("lobby_1");
  request.set_event_type("t");
  core_->Publish(Caller(), request, "1", "",
                 [](const auto& published) { EXPECT_TRUE(published.ok()) << published.status(); });
  Drain();
  clock_.AdvanceMillis(kHour);
  Restart();
  OpenLink();
  Pass(20 * kHour, kHour / 4);
  EXPECT_TRUE(Exists("lobby_1"));
  Pass(4 * kHour, kHour / 4);
  EXPECT_FALSE(Exists("lobby_1"));
}

TEST_F(RoomsCoreTest, ARoomThatWasCreatedStays) {
  v1::CreateRoomRequest request;
  request.set_room_id("mine");
  core_->CreateRoom(Caller(), request, [](const auto& room) { EXPECT_TRUE(room.ok()); });
  Drain();
  Pass(100 * kHour, kHour);
  EXPECT_TRUE(Exists("mine"));
}

TEST_F(RoomsCoreTest, ADefinitionIsBounded) {
  v1::CreateRoomRequest request;
  request.set_room_id("big");
  auto& fields = *request.mutable_metadata()->mutable_fields();
  fields["text"].set_string_value(std::string(64 << 10, 'x'));
  absl::Status refused;
  core_->CreateRoom(Caller(), request, [&](const auto& room) { refused = room.status(); });
  EXPECT_EQ(CodeOf(refused), ErrorCode::kMessageTooLarge) << refused;
  fields["text"].set_string_value(std::string(60 << 10, 'x'));
  core_->CreateRoom(Caller(), request, [&](const auto& room) { refused = room.status(); });
  Drain();
  EXPECT_TRUE(refused.ok()) << refused;
  v1::UpdateRoomRequest update;
  update.mutable_room()->set_room_id("big");
  update.mutable_update_mask()->add_paths("grants");
  for (int i = 0; i < 500; ++i) {
    v1::RoomGrant& grant = *update.mutable_room()->add_grants();
    grant.set_user_id("user-" + std::to_string(i));
    grant.add_actions("room:read");
  }
  core_->UpdateRoom(Caller(), update, [&](const auto& room) { refused = room.status(); });
  Drain();
  EXPECT_EQ(CodeOf(refused), ErrorCode::kMessageTooLarge) << refused;
}

TEST_F(RoomsCoreTest, APageOfRoomsIsBoundedByItsBytes) {
  std::vector<std::string> created;
  for (int i = 10; i < 60; ++i) {
    v1::CreateRoomRequest request;
    request.set_room_id("room" + std::to_string(i));
    created.push_back(request.room_id());
    (*request.mutable_metadata()->mutable_fields())["text"].set_string_value(
        std::string(60'000, 'x'));
    core_->CreateRoom(Caller(), request, [](const auto& room) { EXPECT_TRUE(room.ok()); });
  }
  Drain();
  v1::ListRoomsRequest list;
  list.set_page_size(1'000);
  std::vector<std::string> listed;
  int pages = 0;
  do {
    core_->ListRooms(Caller(), list, [&](const absl::StatusOr<v1::ListRoomsResponse>& page) {
      ASSERT_TRUE(page.ok());
      EXPECT_LE(page->ByteSizeLong(), size_t{3} << 20);
      for (const v1::Room& room : page->rooms()) listed.push_back(room.room_id());
      list.set_page_token(page->next_page_token());
    });
    Drain();
  } while (!list.page_token().empty() && ++pages < 10);
  EXPECT_EQ(listed, created);
  EXPECT_GE(pages, 1);
}

TEST_F(RoomsCoreTest, DurationsAreBounded) {
  google::protobuf::Duration endless;
  endless.set_seconds(9'000'000'000'000'000'000);
  std::vector<absl::Status> refused;
  const auto note = [&](const auto& result) { refused.push_back(result.status()); };
  v1::CreateRoomRequest create;
  create.set_room_id("old");
  *create.mutable_retention()->mutable_max_age() = endless;
  core_->CreateRoom(Caller(), create, note);
  create.clear_retention();
  core_->CreateRoom(Caller(), create, [](const auto& room) { EXPECT_TRUE(room.ok()); });
  Drain();
  v1::PublishRequest publish;
  publish.set_room_id("old");
  publish.set_event_type("t");
  *publish.mutable_ttl() = endless;
  core_->Publish(Caller(), publish, "1", "", note);
  v1::SendNotificationRequest notify;
  notify.set_user_id("u");
  *notify.mutable_ttl() = endless;
  core_->SendNotification(Caller(), notify, "", note);
  Drain();
  ASSERT_THAT(refused, SizeIs(3));
  for (const absl::Status& status : refused) {
    EXPECT_EQ(CodeOf(status), ErrorCode::kInvalidArgument) << status;
  }
}

TEST_F(RoomsCoreTest, BigRoomsCountAtMostOnceASecond) {
  options_.presence_count_threshold = 2;
  core_->SetOptions(options_);
  for (const char* user : {"a", "b"}) {
    Open(user, user);
    Join(user, "lobby_1");
  }
  EXPECT_THAT(Activity(), ElementsAre("joined:a:1", "joined:b:2"));
  for (const char* user : {"c", "d", "e"}) {
    Open(user, user);
    Join(user, "lobby_1");
  }
  EXPECT_THAT(Activity(), IsEmpty());
  Tick();
  EXPECT_THAT(Activity(), ElementsAre("count::5"));
  Open("f", "f");
  Join("f", "lobby_1");
  Pass(900, 100);
  EXPECT_THAT(Activity(), IsEmpty());
  Pass(100, 100);
  EXPECT_THAT(Activity(), ElementsAre("count::6"));
  Pass(5'000, 100);
  EXPECT_THAT(Activity(), IsEmpty());
}

TEST_F(RoomsCoreTest, KeysAreKnownAcrossRestarts) {
  Open("s", "u");
  Join("s", "lobby_1");
  EXPECT_EQ(Publish("s", "lobby_1", "k").published().offset(), 1);
  EXPECT_EQ(Publish("s", "lobby_1", "other").published().offset(), 2);
  v1::OwnerReply repeat = Publish("s", "lobby_1", "k");
  EXPECT_EQ(repeat.published().offset(), 1);
  EXPECT_TRUE(repeat.published().duplicate());
  // What the edge repeats over a broken link is no repetition of the client's.
  EXPECT_FALSE(Publish("s", "lobby_1", "k", /*resend=*/true).published().duplicate());
  Restart();
  OpenLink();
  Open("s", "u");
  Join("s", "lobby_1");
  repeat = Publish("s", "lobby_1", "k");
  EXPECT_EQ(repeat.published().offset(), 1);
  EXPECT_TRUE(repeat.published().duplicate());
  // Another user's key is another key.
  Open("t", "v");
  Join("t", "lobby_1");
  EXPECT_EQ(Publish("t", "lobby_1", "k").published().offset(), 3);
  Pass(601'000, 2'000);
  EXPECT_EQ(Publish("s", "lobby_1", "k").published().offset(), 4);
}

TEST_F(RoomsCoreTest, AKeyIsKnownForTenMinutes) {
  Open("s", "u");
  Join("s", "lobby_1");
  EXPECT_EQ(Publish("s", "lobby_1", "k").published().offset(), 1);
  Pass(599'999);
  const v1::OwnerReply repeat = Publish("s", "lobby_1", "k");
  EXPECT_EQ(repeat.published().offset(), 1);
  EXPECT_TRUE(repeat.published().duplicate());
  Pass(1);
  EXPECT_EQ(Publish("s", "lobby_1", "k").published().offset(), 2);
}

TEST_F(RoomsCoreTest, LeavingIsRecordedOnce) {
  Open("s", "u");
  Join("s", "lobby_1");
  v1::EdgeRequest leave;
  leave.set_request_id(50);
  leave.set_session_id("s");
  leave.mutable_leave()->set_room_id("lobby_1");
  Send(leave);
  Send(leave);
  EXPECT_THAT(changes_, ElementsAre("in:s", "left:s"));
}

TEST_F(RoomsCoreTest, AFollowerMayGoAsSoonAsItHasBegun) {
  Open("s", "u");
  Join("s", "lobby_1");
  items_.clear();
  auto follower =
      std::make_unique<Follower>(std::make_shared<const common::v1::Identity>(*Caller()));
  v1::JoinRequest request;
  request.set_room_id("lobby_1");
  bool began = false;
  core_->Follow(request, follower.get(), [&](const auto& start) {
    began = start.ok();
    core_->Unfollow("lobby_1", follower.get());
    follower.reset();
  });
  Drain();
  EXPECT_TRUE(began);
  EXPECT_THAT(Activity(), ElementsAre("joined:admin:2"));
}

TEST_F(RoomsCoreTest, NotificationsGoToEveryLiveSessionAndWaitForOthers) {
  Open("s", "u");
  Open("t", "u");
  const std::string id = Notify("u");
  EXPECT_THAT(Notified(), testing::UnorderedElementsAre("s:" + id, "t:" + id));
  Open("late", "u");
  EXPECT_THAT(Notified(), ElementsAre("late:" + id));
  Acknowledge("s", id, /*is_explicit=*/true);
  std::vector<std::string> read;
  for (const v1::OwnerItem& item : Take()) {
    for (const std::string& session_id : item.notification_read().session_ids()) {
      read.push_back(session_id);
    }
  }
  EXPECT_THAT(read, testing::UnorderedElementsAre("t", "late"));
  EXPECT_EQ(core_->pending_notifications(), 0u);
  Open("later", "u");
  EXPECT_THAT(Notified(), IsEmpty());
}

TEST_F(RoomsCoreTest, AFullInboxComesAsItIsAcknowledged) {
  std::vector<std::string> ids;
  for (int i = 0; i < 10; ++i) ids.push_back(Notify("u", 40'000));
  Open("s", "u");
  // What a session has not acknowledged is about 128 KiB at most.
  const std::vector<std::string> first = Notified();
  ASSERT_THAT(first, SizeIs(4));
  EXPECT_EQ(first[0], "s:" + ids[0]);
  Notify("u", 10);
  EXPECT_THAT(Notified(), IsEmpty());  // It waits its turn.
  for (int i = 0; i < 10; ++i) {
    Acknowledge("s", ids[i]);
    const std::vector<std::string> next = Notified();
    if (i < 6) EXPECT_THAT(next, ElementsAre("s:" + ids[i + 4])) << i;
  }
  EXPECT_EQ(core_->pending_notifications(), 1u);
}

TEST_F(RoomsCoreTest, AThousandNotificationsWaitForAUser) {
  std::vector<std::string> ids;
  for (int i = 0; i < 1'001; ++i) ids.push_back(Notify("u"));
  EXPECT_EQ(core_->pending_notifications(), 1'000u);
  Open("s", "u");
  const std::vector<std::string> waited = Notified();
  ASSERT_THAT(waited, SizeIs(1'000));
  EXPECT_EQ(waited.front(), "s:" + ids[1]);
  EXPECT_EQ(waited.back(), "s:" + ids.back());
}

TEST_F(RoomsCoreTest, ANotificationWithoutATtlWaitsADay) {
  const std::string id = Notify("u");
  Pass(24 * kHour - 1, kHour);
  Open("s", "u");
  EXPECT_THAT(Notified(), ElementsAre("s:" + id));
  Pass(1);
  Open("late", "u");
  EXPECT_THAT(Notified(), IsEmpty());
  EXPECT_EQ(core_->pending_notifications(), 0u);
}

TEST_F(RoomsCoreTest, NotificationsThatFindNoCreditComeOnceItReturns) {
  core_->CloseLink(link_);
  OpenLink(/*credit=*/1);
  Open("s", "u");
  const std::string first = Notify("u");
  const std::string second = Notify("u");
  EXPECT_THAT(Notified(), ElementsAre("s:" + first));
  Tick();
  EXPECT_THAT(Notified(), IsEmpty());
  Credit(1'000'000);
  EXPECT_THAT(Notified(), ElementsAre("s:" + second));
}

TEST_F(RoomsCoreTest, ANewLinkBeginsAnewWithWhatWaits) {
  Open("s", "u");
  const std::string id = Notify("u");
  EXPECT_THAT(Notified(), SizeIs(1));
  core_->CloseLink(link_);
  const std::string meanwhile = Notify("u");
  link_ = core_->OpenLink(this);
  v1::EdgeFrame frame;
  frame.mutable_hello()->set_incarnation("edge-1");
  frame.mutable_hello()->set_version(1);
  frame.mutable_hello()->set_credit_bytes(1 << 20);
  common::v1::Identity& identity = *frame.mutable_hello()->add_sessions()->mutable_identity();
  identity.set_user_id("u");
  identity.set_session_id("s");
  ASSERT_TRUE(core_->OnEdgeFrame(link_, frame).ok());
  Drain();
  EXPECT_THAT(Notified(), ElementsAre("s:" + id, "s:" + meanwhile));
}

TEST_F(RoomsCoreTest, AFrameThatBreaksTheLinksProtocolIsRefused) {
  EXPECT_TRUE(absl::IsInvalidArgument(core_->OnEdgeFrame(core_->OpenLink(this), {})));
  v1::EdgeFrame hello;
  hello.mutable_hello()->set_incarnation("edge-1");
  EXPECT_TRUE(absl::IsInvalidArgument(core_->OnEdgeFrame(core_->OpenLink(this), hello)));
  hello.mutable_hello()->set_version(1);
  EXPECT_TRUE(absl::IsInvalidArgument(core_->OnEdgeFrame(link_, hello)));  // A second one.
  // A newer link of the same edge ends the older.
  const uint64_t newer = core_->OpenLink(this);
  EXPECT_TRUE(core_->OnEdgeFrame(newer, hello).ok());
  EXPECT_TRUE(absl::IsInvalidArgument(core_->OnEdgeFrame(link_, {})));
}

}  // namespace
}  // namespace covet::rooms
