#include "services/rooms/domain/inboxes.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "services/rooms/domain/testing/log_fixture.h"

namespace covet::rooms {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class InboxesTest : public LogFixture {
 protected:
  InboxesTest() {
    OpenLog();
    Start();
  }
  ~InboxesTest() override { log_.reset(); }

  void Start(int32_t max_pending = 1'000) {
    inboxes_ = std::make_unique<Inboxes>(clock_, executor_, *log_, max_pending);
    absl::Status started = absl::UnknownError("no answer");
    inboxes_->Start([&](const absl::Status& status) { started = status; });
    executor_.Run();
    ASSERT_TRUE(started.ok()) << started;
  }
  void Restart(int32_t max_pending = 1'000) {
    Crash(0);
    inboxes_.reset();
    OpenLog();
    Start(max_pending);
  }

  void BeginAdd(const std::string& user_id, const std::string& id, int64_t ttl_ms = 1'000'000) {
    v1::StoredNotification notification;
    notification.set_notification_id(id);
    notification.set_time_ms(clock_.WallMillis());
    notification.set_expires_ms(clock_.WallMillis() + ttl_ms);
    inboxes_->Add(user_id, notification,
                  [this](const absl::Status& status) { added_.push_back(status); });
  }
  void Add(const std::string& user_id, const std::string& id, int64_t ttl_ms = 1'000'000) {
    BeginAdd(user_id, id, ttl_ms);
    executor_.Run();
    ASSERT_TRUE(added_.back().ok()) << added_.back();
  }
  // Whether it was pending; nothing while that is not committed.
  std::optional<bool> BeginAcknowledge(const std::string& user_id, const std::string& id) {
    std::optional<bool> result;
    acks_.push_back(std::make_shared<std::optional<absl::StatusOr<bool>>>());
    inboxes_->Acknowledge(user_id, id, [ack = acks_.back()](const auto& done) { *ack = done; });
    if (acks_.back()->has_value()) result = ***acks_.back();
    return result;
  }
  bool Acknowledge(const std::string& user_id, const std::string& id) {
    BeginAcknowledge(user_id, id);
    executor_.Run();
    return ***acks_.back();
  }
  std::vector<std::string> Pending(const std::string& user_id) {
    std::vector<std::string> ids;
    for (const auto& [offset, stored] : inboxes_->PendingOf(user_id)) {
      ids.push_back(stored->notification_id());
    }
    return ids;
  }

  std::unique_ptr<Inboxes> inboxes_;
  std::vector<absl::Status> added_;
  std::vector<std::shared_ptr<std::optional<absl::StatusOr<bool>>>> acks_;
};

TEST_F(InboxesTest, AllOfManyInboxesAreLoaded) {
  // More than one page of them, and as many as end one.
  for (const int count : {1'000, 2'345}) {
    for (int i = 0; i < count; ++i) BeginAdd("u" + std::to_string(i), "n" + std::to_string(i));
    executor_.Run();
    const size_t pending = inboxes_->pending_count();
    Restart();
    EXPECT_EQ(inboxes_->pending_count(), pending);
    for (int i = 0; i < count; ++i) {
      ASSERT_FALSE(inboxes_->PendingOf("u" + std::to_string(i)).empty()) << i;
    }
  }
}

TEST_F(InboxesTest, OneIsPendingFromItsCommitOn) {
  BeginAdd("u", "a");
  EXPECT_THAT(Pending("u"), IsEmpty());
  EXPECT_THAT(added_, IsEmpty());
  executor_.Run();
  EXPECT_THAT(added_, ElementsAre(absl::OkStatus()));
  Add("u", "b");
  EXPECT_THAT(Pending("u"), ElementsAre("a", "b"));
  EXPECT_THAT(Pending("v"), IsEmpty());
  EXPECT_EQ(inboxes_->pending_count(), 2u);
}

TEST_F(InboxesTest, WhatWaitsSurvivesARestart) {
  Add("u", "a");
  Add("u", "b");
  Add("v", "c");
  EXPECT_TRUE(Acknowledge("u", "a"));
  Restart();
  EXPECT_THAT(Pending("u"), ElementsAre("b"));
  EXPECT_THAT(Pending("v"), ElementsAre("c"));
  EXPECT_EQ(inboxes_->pending_count(), 2u);
  // And goes on where it was.
  Add("u", "d");
  Restart();
  EXPECT_THAT(Pending("u"), ElementsAre("b", "d"));
}

TEST_F(InboxesTest, AnAcknowledgementIsAnsweredOnceCommitted) {
  Add("u", "a");
  EXPECT_EQ(BeginAcknowledge("u", "a"), std::nullopt);
  EXPECT_THAT(Pending("u"), IsEmpty());
  // A second one waits for the same commit.
  EXPECT_EQ(BeginAcknowledge("u", "a"), std::nullopt);
  executor_.Run();
  EXPECT_EQ(***acks_[0], true);
  EXPECT_EQ(***acks_[1], true);
  EXPECT_EQ(BeginAcknowledge("u", "a"), false);
  EXPECT_EQ(BeginAcknowledge("stranger", "a"), false);
  EXPECT_EQ(inboxes_->pending_count(), 0u);
}

TEST_F(InboxesTest, AnAcknowledgementThatWasNotCommittedIsForgotten) {
  Add("u", "a");
  BeginAcknowledge("u", "a");
  Restart();
  EXPECT_FALSE(acks_.back()->has_value());
  EXPECT_THAT(Pending("u"), ElementsAre("a"));
}

TEST_F(InboxesTest, TheOldestGoBeyondTheBound) {
  Restart(3);
  for (const char* id : {"a", "b", "c", "d", "e"}) Add("u", id);
  Add("v", "x");
  executor_.Run();
  EXPECT_THAT(Pending("u"), ElementsAre("c", "d", "e"));
  EXPECT_THAT(Pending("v"), ElementsAre("x"));
  Restart(3);
  EXPECT_THAT(Pending("u"), ElementsAre("c", "d", "e"));
}

TEST_F(InboxesTest, OnePastItsEndWaitsNoMore) {
  Add("u", "short", 1'000);
  Add("u", "long", 5'000);
  clock_.AdvanceMillis(999);
  EXPECT_THAT(Pending("u"), ElementsAre("short", "long"));
  clock_.AdvanceMillis(1);
  EXPECT_THAT(Pending("u"), ElementsAre("long"));
  inboxes_->Tick();
  EXPECT_EQ(inboxes_->pending_count(), 1u);
  Restart();
  EXPECT_THAT(Pending("u"), ElementsAre("long"));
}

TEST_F(InboxesTest, ALogGoesWhenNothingHasWaitedForAMinute) {
  Add("u", "a");
  Acknowledge("u", "a");
  clock_.AdvanceMillis(59'999);
  inboxes_->Tick();
  EXPECT_EQ(Records("user:u").size(), 2u);
  clock_.AdvanceMillis(1);
  inboxes_->Tick();
  executor_.Run();
  EXPECT_THAT(Records("user:u"), IsEmpty());
  // A new one begins a new log.
  Add("u", "b");
  EXPECT_THAT(Pending("u"), ElementsAre("b"));
  Restart();
  EXPECT_THAT(Pending("u"), ElementsAre("b"));
}

TEST_F(InboxesTest, ALogThatIsAlwaysInUseIsTrimmed) {
  Add("u", "stays");
  for (int i = 0; i < 600; ++i) {
    Add("u", std::to_string(i));
    Acknowledge("u", std::to_string(i));
    inboxes_->Tick();
  }
  executor_.Run();
  // What waits is at the log's begin: nothing may go.
  EXPECT_EQ(Records("user:u").size(), 1'201u);
  Acknowledge("u", "stays");
  inboxes_->Tick();
  executor_.Run();
  EXPECT_LT(Records("user:u").size(), 400u);  // It goes in steps.
  Add("u", "last");
  Restart();
  EXPECT_THAT(Pending("u"), ElementsAre("last"));
}

TEST_F(InboxesTest, TimesOfALogDoNotGoBack) {
  Add("u", "a");
  clock_.JumpWallMillis(-3'600'000);
  Add("u", "b");
  Restart();
  Add("u", "c");
  const std::vector<eventlog::Record> records = Records("user:u");
  ASSERT_EQ(records.size(), 3u);
  EXPECT_EQ(records[0].time_ms, records[1].time_ms);
  EXPECT_EQ(records[1].time_ms, records[2].time_ms);
}

TEST_F(InboxesTest, GoesOnAfterALogThatWasFull) {
  Add("u", "a");
  Crash(0);
  inboxes_.reset();
  OpenLog(/*queue_bytes=*/400);
  Start();
  added_.clear();
  for (int i = 0; i < 20; ++i) BeginAdd("u", "n" + std::to_string(i));
  executor_.Run();
  ASSERT_EQ(added_.size(), 20u);
  std::vector<std::string> kept = {"a"};
  for (int i = 0; i < 20; ++i) {
    if (added_[i].ok()) kept.push_back("n" + std::to_string(i));
  }
  EXPECT_GT(kept.size(), 1u);
  EXPECT_LT(kept.size(), 21u);
  Add("u", "z");
  kept.push_back("z");
  EXPECT_EQ(Pending("u"), kept);
  Restart();
  EXPECT_EQ(Pending("u"), kept);
}

TEST_F(InboxesTest, AnAcknowledgementThatTheLogRefusesLeavesItPending) {
  Add("u", "a");
  Crash(0);
  inboxes_.reset();
  OpenLog(/*queue_bytes=*/400);
  Start();
  for (int i = 0; i < 20; ++i) BeginAdd("v", "n" + std::to_string(i));
  executor_.RunOne();
  for (int i = 0; i < 5; ++i) BeginAdd("u", "n" + std::to_string(i));
  BeginAcknowledge("u", "a");
  executor_.Run();
  ASSERT_TRUE(acks_.back()->has_value());
  EXPECT_EQ((*acks_.back())->status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(Pending("u"), testing::Contains("a"));
  EXPECT_TRUE(Acknowledge("u", "a"));
}

TEST_F(InboxesTest, LinksAskForAnAcknowledgement) {
  v1::StoredNotification stored;
  stored.set_notification_id("n");
  stored.set_time_ms(1);
  stored.set_expires_ms(2);
  stored.set_correlation_id("c");
  stored.mutable_content()->set_title("t");
  const v1::LinkNotification link = Inboxes::ToLink(stored);
  EXPECT_EQ(link.notification_id(), "n");
  EXPECT_EQ(link.expires_ms(), 2);
  EXPECT_EQ(link.correlation_id(), "c");
  EXPECT_EQ(link.content().title(), "t");
  EXPECT_TRUE(link.acknowledge());
  EXPECT_TRUE(link.session_ids().empty());
}

}  // namespace
}  // namespace covet::rooms
