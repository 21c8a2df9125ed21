#include "services/rooms/domain/rooms_core.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/errors/error.h"
#include "common/eventlog/memory_member_lease_store.h"
#include "services/rooms/domain/testing/log_fixture.h"

namespace covet::rooms {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

constexpr int64_t kHour = 3'600'000;

std::shared_ptr<const policy::Policy> Everything() {
  policy::Role role;
  role.name = "member";
  common::v1::Grant& grant = role.grants.emplace_back();
  grant.set_action("*");
  grant.set_pattern("*");
  return std::make_shared<const policy::Policy>(*policy::Policy::Compile({role}));
}

// A core, and the edge at the other end of one link.
class RoomsCoreTest : public LogFixture, public LinkWriter {
 protected:
  RoomsCoreTest() {
    options_.patterns.push_back({"lobby_*", {}, false});
    OpenLog();
    StartCore();
    OpenLink();
  }
  ~RoomsCoreTest() override {
    log_.reset();
    memory_.reset();
  }

  void Wake() override {}

  void StartCore() {
    eventlog::MemoryOptions options;
    options.ids = &ids_;
    options.executor = [this](std::function<void()> task) { executor_.Post(std::move(task)); };
    memory_ = std::make_unique<eventlog::MemoryEventLog>(std::move(options));
    core_ = std::make_unique<RoomsCore>(
        options_,
        CoreEnvironment{clock_, ids_, executor_, *log_, *memory_, leases_, policy_,
                        [this](const MemberChange& change) {
                          changes_.push_back(std::string(change.left.empty() ? "in" : change.left) +
                                             ":" + change.session_id);
                        },
                        nullptr});
    absl::Status started = absl::UnknownError("no answer");
    core_->Start([&](const absl::Status& status) { started = status; });
    executor_.Run();
    ASSERT_TRUE(started.ok()) << started;
  }
  // As after `kill -9`, once everything has been committed.
  void Restart() {
    executor_.Run();
    Crash(0);
    memory_->Crash(0);
    executor_.Run();
    core_.reset();
    memory_.reset();
    OpenLog();
    StartCore();
    items_.clear();
  }

  void OpenLink(int64_t credit = 1 << 20) {
    link_ = core_->OpenLink(this);
    v1::EdgeFrame frame;
    frame.mutable_hello()->set_incarnation("edge-1");
    frame.mutable_hello()->set_version(1);
    frame.mutable_hello()->set_credit_bytes(credit);
    ASSERT_TRUE(core_->OnEdgeFrame(link_, frame).ok());
    Drain();
  }
  void Send(v1::EdgeRequest request) {
    v1::EdgeFrame frame;
    *frame.add_requests() = std::move(request);
    ASSERT_TRUE(core_->OnEdgeFrame(link_, frame).ok());
    Drain();
  }
  void Credit(int64_t bytes) {
    v1::EdgeFrame frame;
    frame.set_credit_bytes(bytes);
    ASSERT_TRUE(core_->OnEdgeFrame(link_, frame).ok());
    Tick();
  }
  void Tick() {
    core_->Tick();
    Drain();
  }
  // Time passes in ticks, and the edge beats.
  void Pass(int64_t ms, int64_t step = 1'000) {
    for (; ms > 0; ms -= step) {
      clock_.AdvanceMillis(std::min(ms, step));
      v1::EdgeFrame frame;
      frame.set_beat(true);
      ASSERT_TRUE(core_->OnEdgeFrame(link_, frame).ok());
      Tick();
    }
  }
  void Drain() {
    executor_.Run();
    v1::OwnerFrame frame;
    while (core_->TakeFrame(link_, &frame)) {
      for (v1::OwnerItem& item : *frame.mutable_items()) items_.push_back(std::move(item));
    }
  }
  std::vector<v1::OwnerItem> Take() { return std::exchange(items_, {}); }

  void Open(const std::string& session_id, const std::string& user_id) {
    v1::EdgeRequest request;
    common::v1::Identity& identity = *request.mutable_open_session()->mutable_identity();
    identity.set_user_id(user_id);
    identity.set_session_id(session_id);
    identity.add_roles("member");
    Send(std::move(request));
  }
  void Close(const std::string& session_id) {
    v1::EdgeRequest request;
    request.set_session_id(session_id);
    request.mutable_close_session();
    Send(std::move(request));
  }
  void Join(const std::string& session_id, const std::string& room_id) {
    v1::EdgeRequest request;
    request.set_request_id(++request_id_);
    request.set_session_id(session_id);
    request.mutable_join()->set_room_id(room_id);
    Send(std::move(request));
  }
  v1::OwnerReply Publish(const std::string& session_id, const std::string& room_id,
                         const std::string& key, bool resend = false) {
    v1::EdgeRequest request;
    request.set_request_id(++request_id_);
    request.set_session_id(session_id);
    request.mutable_publish()->set_room_id(room_id);
    request.mutable_publish()->set_event_type("t");
    request.mutable_publish()->set_payload("1");
    request.mutable_publish()->set_idempotency_key(key);
    request.mutable_publish()->set_resend(resend);
    items_.clear();
    Send(std::move(request));
    for (const v1::OwnerItem& item : items_) {
      if (item.reply().request_id() == request_id_) return item.reply();
    }
    ADD_FAILURE() << "no reply";
    return {};
  }
  void Acknowledge(const std::string& session_id, const std::string& id, bool is_explicit = false) {
    v1::EdgeRequest request;
    request.set_request_id(++request_id_);
    request.set_session_id(session_id);
    request.mutable_notification_ack()->set_notification_id(id);
    request.mutable_notification_ack()->set_explicit_(is_explicit);
    Send(std::move(request));
  }
  std::string Notify(const std::string& user_id, size_t bytes = 10) {
    v1::SendNotificationRequest request;
    request.set_user_id(user_id);
    request.mutable_notification()->set_title("t");
    request.mutable_notification()->set_message(std::string(bytes, 'x'));
    std::string id;
    core_->SendNotification(Caller(), request, "", [&](const auto& response) {
      ASSERT_TRUE(response.ok()) << response.status();
      id = response->notification_id();
    });
    Drain();
    return id;
  }
  // The ids of the notifications among the items that came, with their session.
  std::vector<std::string> Notified() {
    std::vector<std::string> ids;
    for (const v1::OwnerItem& item : Take()) {
      if (!item.has_notification()) continue;
      ids.push_back(item.notification().session_ids(0) + ":" +
                    item.notification().notification_id());
    }
    return ids;
  }
  // `action:user:count` of the presence among the items that came.
  std::vector<std::string> Activity() {
    std::vector<std::string> activity;
    for (const v1::OwnerItem& item : Take()) {
      if (!item.has_presence()) continue;
      activity.push_back(item.presence().action() + ":" + item.presence().user_id() + ":" +
                         std::to_string(item.presence().member_count()));
    }
    return activity;
  }
  static IdentityPtr Caller() {
    auto identity = std::make_shared<common::v1::Identity>();
    identity->set_user_id("admin");
    identity->add_roles("member");
    return identity;
  }
  bool Exists(const std::string& room_id) {
    v1::GetRoomRequest request;
    request.set_room_id(room_id);
    bool exists = false;
    core_->GetRoom(Caller(), request, [&](const auto& room) { exists = room.ok(); });
    Drain();
    return exists;
  }

  RoomsOptions options_;
  policy::PolicyStore policy_{Everything()};
  eventlog::MemoryMemberLeaseStore leases_;
  std::unique_ptr<eventlog::MemoryEventLog> memory_;
  std::unique_ptr<RoomsCore> core_;
  std::vector<v1::OwnerItem> items_;
  std::vector<std::string> changes_;
  uint64_t link_ = 0;
  uint64_t request_id_ = 0;
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
