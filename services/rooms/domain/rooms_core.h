#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "common/base/clock.h"
#include "common/base/executor.h"
#include "common/base/id_generator.h"
#include "common/eventlog/event_log.h"
#include "common/eventlog/member_lease_store.h"
#include "common/policy/policy.h"
#include "covet/rooms/v1/link.pb.h"
#include "covet/rooms/v1/notifications.pb.h"
#include "covet/rooms/v1/rooms.pb.h"
#include "services/rooms/domain/edges.h"
#include "services/rooms/domain/inboxes.h"
#include "services/rooms/domain/room_table.h"

namespace covet::rooms {

using IdentityPtr = std::shared_ptr<const common::v1::Identity>;

// Someone came into a room or left it, for the audit log.
struct MemberChange {
  const std::string& session_id;
  const std::string& user_id;
  const std::string& room_id;
  const std::string& correlation_id;  // Of the request; empty where there was none.
  std::string_view left;              // Why; empty for a join.
};

// What the core needs from outside. All of it outlives the core and the callbacks it is owed.
struct CoreEnvironment {
  const Clock& clock;
  IdGenerator& ids;
  Executor& executor;
  eventlog::EventLog& disk;
  eventlog::EventLog& memory;
  eventlog::MemberLeaseStore& leases;
  const policy::PolicyStore& policy;
  // May be null.
  std::function<void(const MemberChange&)> on_member = nullptr;
  // A session's message has been committed. May be null.
  std::function<void(const std::string& session_id, const std::string& room_id, int64_t offset,
                     const std::string& correlation_id)>
      on_published = nullptr;
};

struct RoomsCounters {
  int64_t published = 0;
  int64_t duplicates = 0;
  int64_t link_items = 0;
  int64_t link_dropped = 0;
  int64_t joins = 0;
  int64_t leases_expired = 0;
  int64_t notifications = 0;
};

// The owner of rooms: who is in them, what they hear, and in which order. No I/O of its own; every
// call is made on the environment's executor, and every callback comes there.
class RoomsCore {
 public:
  RoomsCore(RoomsOptions options, CoreEnvironment env);

  // Loads definitions, leases and inboxes. Nothing else may be called before `done` has run with
  // OK.
  void Start(std::function<void(absl::Status)> done);
  void SetOptions(const RoomsOptions& options);
  // After a change of roles: ends memberships that are no longer allowed.
  void ReviewPermissions();
  // To be called every 100 ms or so: leases, graces, metrics, trimming.
  void Tick();

  // Links. `writer` is woken when TakeFrame has something; it stays valid until CloseLink.
  uint64_t OpenLink(LinkWriter* writer);
  // INVALID_ARGUMENT for a frame that breaks the link's protocol: the link is to be ended.
  absl::Status OnEdgeFrame(uint64_t link_id, v1::EdgeFrame frame);
  bool TakeFrame(uint64_t link_id, v1::OwnerFrame* frame);
  void CloseLink(uint64_t link_id);

  template <typename T>
  using Reply = std::function<void(absl::StatusOr<T>)>;

  // RoomService and NotificationService, by the same rules for everyone.
  void CreateRoom(const IdentityPtr& caller, const v1::CreateRoomRequest& request,
                  Reply<v1::Room> reply);
  void GetRoom(const IdentityPtr& caller, const v1::GetRoomRequest& request, Reply<v1::Room> reply);
  void ListRooms(const IdentityPtr& caller, const v1::ListRoomsRequest& request,
                 Reply<v1::ListRoomsResponse> reply);
  void UpdateRoom(const IdentityPtr& caller, const v1::UpdateRoomRequest& request,
                  Reply<v1::Room> reply);
  void DeleteRoom(const IdentityPtr& caller, const v1::DeleteRoomRequest& request,
                  std::function<void(absl::Status)> reply);
  void Publish(const IdentityPtr& caller, const v1::PublishRequest& request,
               std::string payload_json, const std::string& correlation_id,
               Reply<v1::PublishResponse> reply);
  void ListMembers(const IdentityPtr& caller, const v1::ListMembersRequest& request,
                   Reply<v1::ListMembersResponse> reply);
  // Payloads come as stored; the adapter gives them their format.
  struct History {
    RoomPage page;
    std::vector<v1::RoomEvent> events;  // `payload.json` is set.
  };
  void GetHistory(const IdentityPtr& caller, const v1::GetHistoryRequest& request,
                  Reply<History> reply);
  void RemoveMember(const IdentityPtr& caller, const v1::RemoveMemberRequest& request,
                    Reply<v1::RemoveMemberResponse> reply);
  void ListSessions(const IdentityPtr& caller, const v1::ListSessionsRequest& request,
                    Reply<v1::ListSessionsResponse> reply);
  void SendNotification(const IdentityPtr& caller, v1::SendNotificationRequest request,
                        const std::string& correlation_id,
                        Reply<v1::SendNotificationResponse> reply);

  // Makes `follower` a member that reads the log at its own pace. On success it is told of every
  // advance from `joined.offset` on; it reads by ReadPage. Unfollow ends it, always.
  struct FollowStart {
    v1::Room room;
    int64_t cursor = 0;  // Read on from here.
    bool recovered = false;
  };
  void Follow(const v1::JoinRequest& request, RoomFollower* follower, Reply<FollowStart> reply);
  void Unfollow(const std::string& room_id, RoomFollower* follower);
  // RoomEvents after `after`, without those past their ttl: at most `limit` records and about
  // `max_bytes`, but one at least.
  void ReadPage(const std::string& room_id, int64_t after, int32_t limit, int64_t max_bytes,
                Reply<History> reply);

  // A room as GetRoom shows it. The room must be ready.
  v1::Room Describe(const Room& room) const;

  const RoomsCounters& counters() const { return counters_; }
  size_t room_count() const { return table_.rooms().size(); }
  size_t edge_count() const { return edges_.edges().size(); }
  size_t session_count() const { return edges_.sessions().size(); }
  // Published and not yet committed, and beyond which publishes are refused.
  int64_t inflight_bytes() const { return table_.inflight_bytes(); }
  int64_t max_inflight_bytes() const { return table_.max_inflight_bytes(); }
  size_t pending_notifications() const { return inboxes_.pending_count(); }
  const std::string& incarnation() const { return incarnation_; }

 private:
  friend class LinkRequests;

  // A request of a link: answered only while that link is the edge's current one, since an edge
  // repeats what it still wants on its next link.
  struct LinkCall {
    uint64_t link_id;
    uint64_t request_id;
    std::string session_id;
    std::string correlation_id;
  };

  // rooms_core_link.cc
  absl::Status OnHello(uint64_t link_id, LinkWriter* writer, const v1::EdgeHello& hello);
  void Reconcile(Edge& edge, const v1::EdgeHello& hello);
  void OnRequest(Edge& edge, v1::EdgeRequest request);
  Session& KnownSession(Edge& edge, const v1::EdgeSession& told);
  void OnJoin(const LinkCall& call, const v1::LinkJoin& join);
  void FinishJoin(const LinkCall& call, const RoomPtr& room, bool metrics);
  void OnLeave(const LinkCall& call, const v1::LinkLeave& leave);
  void OnPublish(const LinkCall& call, v1::LinkPublish publish);
  void FinishPublish(const LinkCall& call, const RoomPtr& room, v1::LinkPublish& publish);
  void OnRead(const LinkCall& call, const v1::LinkRead& read);
  void OnNotificationAck(const LinkCall& call, const v1::LinkNotificationAck& ack);
  void SendReply(const LinkCall& call, v1::OwnerReply reply);
  void SendError(const LinkCall& call, const absl::Status& status);
  void SendHead(uint64_t link_id, const RoomPtr& room);
  void TellHoles(Edge& edge);
  void Wake(Edge& edge);

  // rooms_core_members.cc
  // Whether its user was not there before.
  bool AddMember(const RoomPtr& room, Session& session, bool metrics);
  void RemoveMembership(Room& room, Session& session, int64_t grace_ms);
  void Detach(Room& room, Edge* edge, bool metrics);
  void EndSession(Session& session, int64_t grace_ms);
  void EvictMember(Room& room, Session& session, const std::string& reason);
  void CloseRoom(Room& room, const std::string& reason);
  void FanOut(Room& room, const v1::OwnerItem& item);
  void OnCommit(Room& room, const PendingBatch& batch);
  void EmitPresence(Room& room, const char* action, const std::string& user_id);
  void TakeLeft(Room& room);
  void SchedulePresence(const RoomPtr& room);
  void LoadLeases(std::function<void(absl::Status)> done);
  void RestoreMembers(const std::vector<eventlog::MemberLease>& leases);
  void ExpireLeases();
  void SendMetrics();
  void ExpireEphemeralRooms();
  void DeleteRoomNow(const RoomPtr& room, const std::string& reason,
                     std::function<void(absl::Status)> done);
  bool SendNotificationTo(Edge& edge, v1::OwnerItem item);
  void DeliverPending(Session& session);
  void GoOnNotifying();
  void GoOnNotifying(const std::string& user_id);

  bool Allows(const common::v1::Identity& identity, policy::Action action, std::string_view room_id,
              const Room* room) const;
  // The room, if the caller may do this there; permission is checked before existence.
  absl::StatusOr<RoomPtr> Authorize(const IdentityPtr& caller, policy::Action action,
                                    std::string_view room_id);
  absl::Status CheckEventType(std::string_view event_type) const;
  void AppendOrRepeat(const RoomPtr& room, v1::StoredEvent event, bool resend,
                      PublishCallback done);
  History ToHistory(const Room& room, RoomPage page) const;

  RoomsOptions options_;
  CoreEnvironment env_;
  const std::string incarnation_;
  RoomTable table_;
  EdgeRegistry edges_;
  Inboxes inboxes_;
  struct Greeting {
    LinkWriter* writer;
    v1::EdgeHello told;  // What has come of it.
  };
  absl::flat_hash_map<uint64_t, Greeting> greeting_;  // Links that have not said hello to its end.
  uint64_t next_link_ = 1;
  std::vector<RoomPtr> presence_due_;  // Rooms with a grace running or a count owed.
  int64_t last_metrics_ms_ = 0;
  int64_t last_idle_scan_ms_ = 0;
  RoomsCounters counters_;
};

}  // namespace covet::rooms
