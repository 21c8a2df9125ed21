#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "edge/frame/frame.h"
#include "edge/transport/connection.h"

namespace covet::common::v1 {
class Identity;
}

namespace covet::edge {

// A refusal as the protocol shows it. `code` is empty for success.
struct RoomError {
  std::string code;
  std::string message;
  std::map<std::string, std::string> details;
  bool ok() const { return code.empty(); }
};

struct JoinParams {
  std::string room_id;
  std::string request_id;  // The id of the join_room message, the metrics' subscription_id.
  std::string correlation_id;
  std::vector<std::string> event_types;  // Empty: everything.
  bool has_filter = false;
  bool has_resume = false;
  std::string resume_epoch;
  int64_t resume_offset = 0;
  int32_t history = 0;
  bool subscribe_to_metrics = false;
};

struct JoinResult {
  RoomError error;
  std::string epoch;
  int64_t offset = 0;  // The last that belongs to the replay.
  bool recovered = false;
  int32_t member_count = 0;
  std::vector<std::string> permissions;  // read, write, manage
  std::string metadata_json;             // `room_metadata`, a JSON object with created_at.
};

struct PublishParams {
  std::string room_id;
  std::string correlation_id;
  std::string event_type;
  std::string payload;  // JSON text, validated.
  std::string idempotency_key;
  int64_t ttl_ms = 0;
  Priority priority = Priority::kNormal;
};

struct PublishResult {
  RoomError error;
  int64_t offset = 0;
  bool duplicate = false;
};

// What rooms need of a session. Calls come on the session's thread.
class RoomSubscriber {
 public:
  virtual ~RoomSubscriber() = default;
  // Where frames of rooms go; alive as long as the subscriber is registered.
  virtual Connection& connection() = 0;
  // The server ended a membership: `removed`, `deleted`, `permission_revoked` or `reset`. Nothing
  // of the room follows; the session sends room_left.
  virtual void OnRoomLeft(const std::string& room_id, const std::string& reason) = 0;
  // A notification, framed. With `acknowledge` the owner waits for AckNotification.
  virtual void OnNotification(const std::string& notification_id, FramePtr frame, Priority priority,
                              int64_t expires_at_ms, bool acknowledge) = 0;
  virtual void OnNotificationRead(const std::string& notification_id) = 0;
};

// Rooms as the sessions of one edge thread see them. Every call and callback is made on that
// thread; callbacks run once, possibly from inside the call, and never after CloseSession. Requests
// of one session to one room take effect in the order of the calls. While the owner is away
// requests end as UNAVAILABLE after 2 s.
class RoomGateway {
 public:
  virtual ~RoomGateway() = default;

  // `subscriber` must outlive its registration, which CloseSession ends.
  virtual void OpenSession(const common::v1::Identity& identity, RoomSubscriber* subscriber) = 0;
  // After auth_refresh. Memberships that the new identity does not allow end with
  // permission_revoked.
  virtual void RenewSession(const common::v1::Identity& identity) = 0;
  // `moving`: the edge drains and the client is expected elsewhere at once.
  virtual void CloseSession(const std::string& session_id, bool moving) = 0;

  // On success the callback sends room_joined on the ordered lane; the replay and live events
  // follow.
  virtual void Join(const std::string& session_id, JoinParams params,
                    std::function<void(JoinResult)> done) = 0;
  // On success, whether joined or not, nothing of the room follows; the callback sends room_left.
  virtual void Leave(const std::string& session_id, const std::string& room_id,
                     const std::string& correlation_id, std::function<void(RoomError)> done) = 0;
  virtual void Publish(const std::string& session_id, PublishParams params,
                       std::function<void(PublishResult)> done) = 0;
  // Ends the metrics that `join_room` with this id subscribed to; false if there are none.
  virtual bool UnsubscribeMetrics(const std::string& session_id,
                                  const std::string& subscription_id) = 0;
  virtual void AckNotification(const std::string& session_id, const std::string& notification_id,
                               bool explicit_ack) = 0;
  // The session's socket has drained: paced replays go on. To be called from Connection's
  // OnDrained.
  virtual void OnDrained(const std::string& session_id) = 0;
};

}  // namespace covet::edge
