#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/eventlog/memory_event_log.h"
#include "common/eventlog/memory_member_lease_store.h"
#include "common/policy/policy.h"
#include "services/rooms/domain/rooms_core.h"
#include "services/rooms/domain/testing/log_fixture.h"

namespace covet::rooms {

// A core, and the edge at the other end of one link.
class CoreFixture : public LogFixture, public LinkWriter {
 protected:
  CoreFixture() {
    options_.patterns.push_back({"lobby_*", {}, false});
    OpenLog();
    StartCore();
    OpenLink();
  }
  ~CoreFixture() override {
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
  void Join(const std::string& session_id, const std::string& room_id, bool metrics = false) {
    v1::EdgeRequest request;
    request.set_request_id(++request_id_);
    request.set_session_id(session_id);
    request.mutable_join()->set_room_id(room_id);
    request.mutable_join()->set_metrics(metrics);
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
  static std::shared_ptr<const policy::Policy> Everything() {
    policy::Role role;
    role.name = "member";
    common::v1::Grant& grant = role.grants.emplace_back();
    grant.set_action("*");
    grant.set_pattern("*");
    return std::make_shared<const policy::Policy>(*policy::Policy::Compile({role}));
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

}  // namespace covet::rooms
