#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/flat_hash_map.h"
#include "common/base/clock.h"
#include "edge/rooms/link_client.h"
#include "edge/rooms/room_gateway.h"
#include "edge/rooms/room_hub.h"

namespace covet::edge {

struct ThreadRoomsCounters {
  int64_t resets = 0;
  int64_t replays = 0;
  int64_t recovered = 0;
  int64_t not_recovered = 0;
};

// RoomGateway of one edge thread: its hubs and its sessions, above the edge's one link.
class ThreadRooms final : public RoomGateway {
 public:
  // `link` outlives this. A page of a replay holds about `page_bytes`: what a connection's queue
  // takes between drained and behind, so that little of it has to be read again.
  ThreadRooms(uint32_t thread, const Clock& clock, LinkClient& link, int32_t page_bytes = 128 << 10)
      : thread_(thread), clock_(clock), link_(link), page_bytes_(page_bytes) {}

  void OpenSession(const common::v1::Identity& identity, RoomSubscriber* subscriber) override;
  void RenewSession(const common::v1::Identity& identity) override;
  void CloseSession(const std::string& session_id, bool moving) override;
  void Join(const std::string& session_id, JoinParams params,
            std::function<void(JoinResult)> done) override;
  void Leave(const std::string& session_id, const std::string& room_id,
             const std::string& correlation_id, std::function<void(RoomError)> done) override;
  void Publish(const std::string& session_id, PublishParams params,
               std::function<void(PublishResult)> done) override;
  bool UnsubscribeMetrics(const std::string& session_id,
                          const std::string& subscription_id) override;
  void AckNotification(const std::string& session_id, const std::string& notification_id,
                       bool explicit_ack) override;
  void OnDrained(const std::string& session_id) override;

  // What came down the link. On this thread, in the link's order.
  void OnBatch(const LinkBatch& batch);
  // Every second or so: tries again what failed while the owner was away.
  void Tick();

  size_t hub_count() const { return hubs_.size(); }
  const ThreadRoomsCounters& counters() const { return counters_; }

 private:
  // An acknowledgement that the owner has not confirmed. It is repeated until it has, and meanwhile
  // keeps the notification from coming again, as after a break of the link.
  struct Ack {
    std::string notification_id;
    bool is_explicit;
    bool under_way;
  };
  struct SessionEntry {
    RoomSubscriber* subscriber = nullptr;
    std::vector<std::string> rooms;
    // Those of `rooms` where a replay wants a turn, the next one first. A session has one at a
    // time, and none while its socket is behind or a page is on its way to it.
    std::vector<std::string> turns;
    uint64_t reading = 0;  // The token of that page's read; 0 for none.
    bool in_line = false;
    std::vector<Ack> acks;  // At most kMaxAcks; one beyond it is sent once.
  };
  struct JoinCall {
    std::string session_id;
    JoinParams params;
    std::function<void(JoinResult)> done;
  };
  struct LeaveCall {
    std::string session_id;
    std::string room_id;
    std::function<void(RoomError)> done;
  };
  struct PublishCall {
    std::string session_id;
    std::function<void(PublishResult)> done;
  };
  struct AckCall {
    std::string session_id;
    std::string notification_id;
    bool is_explicit;
  };
  struct ReadCall {
    std::string room_id;
    std::string session_id;  // Empty: the hub reads a hole.
    StreamTag tag;
    uint64_t generation;
  };
  using Call = std::variant<JoinCall, LeaveCall, PublishCall, AckCall, ReadCall>;

  uint64_t Submit(rooms::v1::EdgeRequest request, Call call);
  void OnReply(const ReplyItem& item);
  void FinishJoin(JoinCall& call, const ReplyItem& item);
  void FinishRead(const ReadCall& call, const ReplyItem& item);
  void FinishHole(const ReadCall& call, const ReplyItem& item);
  void FinishPage(const ReadCall& call, const ReplyItem& item);
  void WantTurn(const std::string& session_id, const std::string& room_id);
  // Lets the session's replays go on.
  void TakeTurns(const std::string& session_id);
  void SubmitAck(const std::string& session_id, const std::string& notification_id,
                 bool is_explicit);
  void FinishAck(const AckCall& call, const ReplyItem& item);
  // The room's hub; one of another epoch is reset before. `joining` is the session whose join has
  // just told of this one.
  RoomHub& HubFor(const rooms::v1::Room& room, const std::string& joining);
  RoomHub* FindHub(const std::string& room_id);
  // Ends one membership and tells its session why.
  void End(RoomHub& hub, const std::string& session_id, const std::string& room_id,
           const std::string& reason, bool tell_owner);
  // Ends all memberships of a room on this thread. The owner does not hear of `joining`'s, which
  // has joined anew there.
  void EndAll(const std::string& room_id, const std::string& reason, bool tell_owner,
              const std::string& joining = "");
  bool IsJoining(const std::string& session_id, const std::string& room_id) const;
  void RemoveFromHub(const std::string& session_id, const std::string& room_id);
  void OnNotification(const NotificationItem& item);
  uint64_t Read(const std::string& epoch, int64_t after, ReadCall call);

  const uint32_t thread_;
  const Clock& clock_;
  LinkClient& link_;
  const int32_t page_bytes_;
  uint64_t next_token_ = 1;
  static constexpr size_t kMaxAcks = 1'000;
  StreamTag next_tag_ = 1;
  absl::flat_hash_map<uint64_t, Call> calls_;
  absl::btree_map<std::string, SessionEntry> sessions_;
  // Pages on their way to sessions, and the sessions that want one beyond kMaxPages: so a crowd
  // that resumes at once asks of the owner no more than is held there for a moment.
  static constexpr size_t kMaxPages = 64;
  size_t pages_ = 0;
  std::deque<std::string> line_;
  bool acks_failed_ = false;  // Some are to be repeated.
  absl::btree_map<std::string, std::unique_ptr<RoomHub>> hubs_;
  ThreadRoomsCounters counters_;
};

}  // namespace covet::edge
