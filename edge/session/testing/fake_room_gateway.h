#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "covet/common/v1/common.pb.h"
#include "edge/rooms/room_gateway.h"

namespace covet::edge {

// Keeps what it is asked until the test answers.
class FakeRoomGateway final : public RoomGateway {
 public:
  struct JoinCall {
    JoinParams params;
    std::function<void(JoinResult)> done;
  };
  struct LeaveCall {
    std::string room_id;
    std::function<void(RoomError)> done;
  };
  struct PublishCall {
    PublishParams params;
    std::function<void(PublishResult)> done;
  };
  struct Ack {
    std::string notification_id;
    bool is_explicit;
  };

  void OpenSession(const common::v1::Identity& identity, RoomSubscriber* opened) override {
    identities.push_back(identity);
    subscriber = opened;
  }
  void RenewSession(const common::v1::Identity& identity) override {
    identities.push_back(identity);
  }
  void CloseSession(const std::string& /*session_id*/, bool moving) override {
    closes.push_back(moving);
    subscriber = nullptr;
  }
  void Join(const std::string& /*session_id*/, JoinParams params,
            std::function<void(JoinResult)> done) override {
    joins.push_back({std::move(params), std::move(done)});
  }
  void Leave(const std::string& /*session_id*/, const std::string& room_id,
             const std::string& /*correlation_id*/, std::function<void(RoomError)> done) override {
    leaves.push_back({room_id, std::move(done)});
  }
  void Publish(const std::string& /*session_id*/, PublishParams params,
               std::function<void(PublishResult)> done) override {
    publishes.push_back({std::move(params), std::move(done)});
  }
  bool UnsubscribeMetrics(const std::string& /*session_id*/,
                          const std::string& subscription_id) override {
    ended_metrics.push_back(subscription_id);
    return true;
  }
  void AckNotification(const std::string& /*session_id*/, const std::string& notification_id,
                       bool is_explicit) override {
    acks.push_back({notification_id, is_explicit});
  }
  void OnDrained(const std::string& /*session_id*/) override { ++drained; }

  RoomSubscriber* subscriber = nullptr;
  std::vector<common::v1::Identity> identities;  // As opened, then renewed.
  std::vector<bool> closes;                      // With whether the session was moving.
  std::vector<JoinCall> joins;
  std::vector<LeaveCall> leaves;
  std::vector<PublishCall> publishes;
  std::vector<std::string> ended_metrics;
  std::vector<Ack> acks;
  int drained = 0;
};

}  // namespace covet::edge
