// Who is in a room, and what they are told.

#include <algorithm>
#include <utility>

#include "common/payload/json_writer.h"
#include "covet/rooms/v1/storage.pb.h"
#include "services/rooms/domain/errors.h"
#include "services/rooms/domain/rooms_core.h"

namespace covet::rooms {
namespace {

// An item larger than this would eat an edge's whole credit.
constexpr int64_t kMaxRecordsItemBytes = 256 << 10;
constexpr int64_t kCountIntervalMs = 1'000;
constexpr int64_t kIdleScanMs = 10'000;
// Leases of members that have no edge: callers of Join on the owner itself.
constexpr char kLocalPrefix[] = "owner:";

}  // namespace

bool RoomsCore::AddMember(const RoomPtr& room, Session& session, bool metrics) {
  if (Session::Membership* known = session.Find(room->id())) {
    if (known->metrics == metrics) return false;
    for (Room::Attachment& attachment : room->attachments) {
      if (attachment.edge == session.edge) attachment.metrics_sessions += metrics ? 1 : -1;
    }
    known->metrics = metrics;
    return false;
  }
  session.rooms.push_back({room->id(), metrics});
  auto attachment =
      std::find_if(room->attachments.begin(), room->attachments.end(),
                   [&](const Room::Attachment& known) { return known.edge == session.edge; });
  if (attachment == room->attachments.end()) {
    attachment = room->attachments.insert(attachment, {session.edge});
  }
  ++attachment->sessions;
  if (metrics) ++attachment->metrics_sessions;
  env_.leases.Upsert({session.edge->incarnation, session.id(), session.user_id(), room->id()});
  return room->presence.Add(session.user_id(), session.id());
}

void RoomsCore::RemoveMembership(Room& room, Session& session, int64_t grace_ms) {
  Session::Membership* membership = session.Find(room.id());
  if (membership == nullptr) return;
  const bool metrics = membership->metrics;
  session.rooms.erase(session.rooms.begin() + (membership - session.rooms.data()));
  Detach(room, session.edge, metrics);
  room.presence.Remove(session.user_id(), session.id(), env_.clock.SteadyMillis(), grace_ms);
  const auto user = room.presence.users().find(session.user_id());
  // The lease of a user's last session stays until the user has left, so that a restart of the
  // owner in between still tells of it.
  if (user == room.presence.users().end() || !user->second.sessions.empty()) {
    env_.leases.Remove(session.id(), room.id());
  }
  if (room.dead) return;
  if (grace_ms == 0) {
    TakeLeft(room);
  } else if (const RoomPtr shared = table_.Find(room.id())) {
    SchedulePresence(shared);
  }
}

void RoomsCore::Detach(Room& room, Edge* edge, bool metrics) {
  const auto attachment =
      std::find_if(room.attachments.begin(), room.attachments.end(),
                   [&](const Room::Attachment& known) { return known.edge == edge; });
  if (attachment == room.attachments.end()) return;
  if (metrics) --attachment->metrics_sessions;
  if (--attachment->sessions == 0) room.attachments.erase(attachment);
}

void RoomsCore::EndSession(Session& session, int64_t grace_ms) {
  const std::vector<Session::Membership> memberships = session.rooms;
  for (const Session::Membership& membership : memberships) {
    if (const RoomPtr room = table_.Find(membership.room_id)) {
      RemoveMembership(*room, session, grace_ms);
    }
  }
  edges_.RemoveSession(session);
}

void RoomsCore::EvictMember(Room& room, Session& session, const std::string& reason) {
  v1::OwnerItem item;
  v1::MemberRemoved& removed = *item.mutable_member_removed();
  removed.set_room_id(room.id());
  removed.set_session_id(session.id());
  removed.set_reason(reason);
  if (env_.on_member) env_.on_member({session.id(), session.user_id(), room.id(), "", reason});
  Edge* edge = session.edge;
  RemoveMembership(room, session, 0);
  if (!edge->connected()) return;
  edge->link->AddControl(std::move(item));
  Wake(*edge);
}

void RoomsCore::CloseRoom(Room& room, const std::string& reason) {
  v1::OwnerItem item;
  item.mutable_room_closed()->set_room_id(room.id());
  item.mutable_room_closed()->set_reason(reason);
  for (const Room::Attachment& attachment : room.attachments) {
    for (const auto& [id, session] : attachment.edge->sessions) {
      const Session::Membership* membership = session->Find(room.id());
      if (membership == nullptr) continue;
      session->rooms.erase(session->rooms.begin() + (membership - session->rooms.data()));
      env_.leases.Remove(id, room.id());
    }
    if (!attachment.edge->connected()) continue;
    attachment.edge->link->AddControl(item);
    Wake(*attachment.edge);
  }
  room.attachments.clear();
  for (RoomFollower* follower : std::exchange(room.followers, {})) {
    env_.leases.Remove(follower->session_id, room.id());
    follower->OnLeft(reason);
  }
}

void RoomsCore::FanOut(Room& room, const v1::OwnerItem& item) {
  for (const Room::Attachment& attachment : room.attachments) {
    Edge& edge = *attachment.edge;
    if (!edge.connected()) continue;  // It hears of the head when it comes back.
    ++counters_.link_items;
    if (edge.link->AddEvent(room.id(), item)) {
      Wake(edge);
    } else {
      ++counters_.link_dropped;
    }
  }
}

void RoomsCore::OnCommit(Room& room, const PendingBatch& batch) {
  counters_.published += static_cast<int64_t>(batch.events.size());
  const int64_t now = env_.clock.WallMillis();
  size_t next = 0;
  while (next < batch.events.size() && !room.attachments.empty()) {
    v1::OwnerItem item;
    v1::RoomRecords& records = *item.mutable_records();
    records.set_room_id(room.id());
    records.set_epoch(room.epoch);
    records.set_first_offset(batch.first_offset + static_cast<int64_t>(next));
    int64_t bytes = 0;
    for (; next < batch.events.size(); ++next) {
      const PendingEvent& event = batch.events[next];
      bytes += static_cast<int64_t>(event.record->size());
      if (bytes > kMaxRecordsItemBytes && records.events_size() > 0) break;
      const bool ended = event.expires_ms > 0 && event.expires_ms <= now;
      records.add_events(ended ? std::string() : *event.record);
    }
    FanOut(room, item);
  }
  const std::vector<RoomFollower*> followers = room.followers;
  for (RoomFollower* follower : followers) follower->OnAdvance();
}

void RoomsCore::EmitPresence(Room& room, const char* action, const std::string& user_id) {
  if (room.presence.user_count() > options_.presence_count_threshold) {
    room.presence_dirty = true;
    if (const RoomPtr shared = table_.Find(room.id())) SchedulePresence(shared);
    return;
  }
  v1::OwnerItem item;
  v1::RoomPresence& presence = *item.mutable_presence();
  presence.set_room_id(room.id());
  presence.set_action(action);
  presence.set_user_id(user_id);
  presence.set_member_count(room.presence.user_count());
  presence.set_time_ms(env_.clock.WallMillis());
  FanOut(room, item);
  const std::vector<RoomFollower*> followers = room.followers;
  for (RoomFollower* follower : followers) follower->OnPresence(presence);
}

void RoomsCore::SchedulePresence(const RoomPtr& room) {
  if (!std::exchange(room->presence_scheduled, true)) presence_due_.push_back(room);
}

void RoomsCore::TakeLeft(Room& room) {
  for (const Presence::Left& left : room.presence.TakeLeft(env_.clock.SteadyMillis())) {
    env_.leases.Remove(left.last_session_id, room.id());
    EmitPresence(room, "left", left.user_id);
  }
  if (!room.presence.empty() || !room.definition.ephemeral()) return;
  // From now on its life is counted, across restarts too.
  room.last_used_ms = std::max(room.last_used_ms, env_.clock.WallMillis());
  if (const RoomPtr shared = table_.Find(room.id())) {
    table_.Store(shared, [](const absl::Status&) {});
  }
}

void RoomsCore::Tick() {
  const int64_t now = env_.clock.SteadyMillis();
  ExpireLeases();
  for (const RoomPtr& room : std::exchange(presence_due_, {})) {
    room->presence_scheduled = false;
    if (!room->dead) TakeLeft(*room);
    if (!room->dead && room->presence_dirty && now - room->last_count_ms >= kCountIntervalMs) {
      room->presence_dirty = false;
      room->last_count_ms = now;
      v1::OwnerItem item;
      v1::RoomPresence& presence = *item.mutable_presence();
      presence.set_room_id(room->id());
      presence.set_action("count");
      presence.set_member_count(room->presence.user_count());
      presence.set_time_ms(env_.clock.WallMillis());
      FanOut(*room, item);
      const std::vector<RoomFollower*> followers = room->followers;
      for (RoomFollower* follower : followers) follower->OnPresence(presence);
    }
    if (!room->dead && (room->presence_dirty || room->presence.NextDue().has_value())) {
      SchedulePresence(room);
    }
  }
  if (now - last_metrics_ms_ >= options_.metrics_interval_ms) SendMetrics();
  if (now - last_idle_scan_ms_ >= kIdleScanMs) ExpireEphemeralRooms();
  inboxes_.Tick();
  GoOnNotifying();
  table_.Tick();
}

void RoomsCore::ExpireLeases() {
  const int64_t now = env_.clock.SteadyMillis();
  std::vector<std::string> expired;
  for (const auto& [incarnation, edge] : edges_.edges()) {
    if (now - edge->last_beat_ms >= options_.lease_ms) expired.push_back(incarnation);
  }
  for (const std::string& incarnation : expired) {
    ++counters_.leases_expired;
    Edge& edge = edges_.GetOrAdd(incarnation);
    // Its link, if there still is one, is ended by the adapter when the next frame is refused.
    edges_.UnbindLink(edge);
    while (!edge.sessions.empty()) EndSession(*edge.sessions.begin()->second, 0);
    edges_.Remove(incarnation);
  }
}

void RoomsCore::LoadLeases(std::function<void(absl::Status)> done) {
  env_.leases.LoadAll([this, done = std::move(done)](auto leases) {
    env_.executor.Post([this, done, leases = std::move(leases)] {
      if (leases.ok()) RestoreMembers(*leases);
      done(leases.status());
    });
  });
}

void RoomsCore::RestoreMembers(const std::vector<eventlog::MemberLease>& leases) {
  const int64_t now = env_.clock.SteadyMillis();
  for (const eventlog::MemberLease& lease : leases) {
    const RoomPtr room = table_.Find(lease.room_id);
    if (room == nullptr) {
      env_.leases.Remove(lease.session_id, lease.room_id);
      continue;
    }
    Edge& edge = edges_.GetOrAdd(lease.incarnation);
    edge.last_beat_ms = now;
    Session* session = edges_.FindSession(lease.session_id);
    if (session == nullptr) {
      auto identity = std::make_shared<common::v1::Identity>();
      identity->set_user_id(lease.user_id);
      identity->set_session_id(lease.session_id);
      session = &edges_.AddSession(edge, std::move(identity), env_.clock.WallMillis());
    }
    session->rooms.push_back({room->id(), false});
    const auto attachment =
        std::find_if(room->attachments.begin(), room->attachments.end(),
                     [&](const Room::Attachment& known) { return known.edge == &edge; });
    if (attachment == room->attachments.end()) {
      room->attachments.push_back({&edge, 1, 0});
    } else {
      ++attachment->sessions;
    }
    // Known before the restart: nobody hears of it anew.
    room->presence.Add(lease.user_id, lease.session_id);
  }
  // Calls of Join end with the process that served them.
  std::vector<std::string> local;
  for (const auto& [incarnation, edge] : edges_.edges()) {
    if (incarnation.starts_with(kLocalPrefix)) local.push_back(incarnation);
  }
  for (const std::string& incarnation : local) {
    Edge& edge = edges_.GetOrAdd(incarnation);
    while (!edge.sessions.empty()) {
      EndSession(*edge.sessions.begin()->second, options_.presence_grace_ms);
    }
    edges_.Remove(incarnation);
  }
}

void RoomsCore::SendMetrics() {
  const int64_t now = env_.clock.SteadyMillis();
  const double seconds = static_cast<double>(std::max<int64_t>(1, now - last_metrics_ms_)) / 1000.0;
  last_metrics_ms_ = now;
  for (const auto& [id, room] : table_.rooms()) {
    const int64_t messages = std::exchange(room->messages_since, 0);
    const int64_t bytes = std::exchange(room->bytes_since, 0);
    const bool wanted = std::any_of(
        room->attachments.begin(), room->attachments.end(), [](const Room::Attachment& attachment) {
          return attachment.metrics_sessions > 0 && attachment.edge->connected();
        });
    if (!wanted) continue;
    std::string record = "{";
    payload::AppendTimeMember(&record, "timestamp", env_.clock.WallMillis());
    payload::AppendIntMember(&record, "members", room->presence.user_count());
    payload::AppendMemberName(&record, "message_rate");
    payload::AppendDouble(&record, static_cast<double>(messages) / seconds);
    payload::AppendMemberName(&record, "byte_rate");
    payload::AppendDouble(&record, static_cast<double>(bytes) / seconds);
    payload::AppendIntMember(&record, "bytes", room->bytes);
    record.push_back('}');
    v1::OwnerItem item;
    item.mutable_metrics()->set_room_id(id);
    item.mutable_metrics()->set_record(std::move(record));
    for (const Room::Attachment& attachment : room->attachments) {
      if (attachment.metrics_sessions == 0 || !attachment.edge->connected()) continue;
      // The next record makes up for one that finds no credit.
      if (attachment.edge->link->AddTransient(item)) Wake(*attachment.edge);
    }
  }
}

void RoomsCore::ExpireEphemeralRooms() {
  last_idle_scan_ms_ = env_.clock.SteadyMillis();
  const int64_t now = env_.clock.WallMillis();
  std::vector<RoomPtr> idle;
  for (const auto& [id, room] : table_.rooms()) {
    if (!room->definition.ephemeral() || !room->presence.empty()) continue;
    const RoomPattern* pattern = table_.PatternFor(id);
    const int64_t ttl = pattern == nullptr ? RoomPattern().idle_ttl_ms : pattern->idle_ttl_ms;
    if (now - room->last_used_ms >= ttl) idle.push_back(room);
  }
  for (const RoomPtr& room : idle) {
    // Opening it tells when its last message was: the definition knows only of members.
    table_.WhenReady(room, [this, room, now](const absl::Status& status) {
      if (!status.ok() || !room->presence.empty()) return;
      const RoomPattern* pattern = table_.PatternFor(room->id());
      const int64_t ttl = pattern == nullptr ? RoomPattern().idle_ttl_ms : pattern->idle_ttl_ms;
      if (now - room->last_used_ms < ttl) return;
      DeleteRoomNow(room, "deleted", [](const absl::Status&) {});
    });
  }
}

void RoomsCore::DeleteRoomNow(const RoomPtr& room, const std::string& reason,
                              std::function<void(absl::Status)> done) {
  CloseRoom(*room, reason);
  for (const auto& [user_id, user] : room->presence.users()) {
    if (user.sessions.empty()) env_.leases.Remove(user.last_session_id, room->id());
  }
  table_.Delete(room, std::move(done));
}

bool RoomsCore::SendNotificationTo(Edge& edge, v1::OwnerItem item) {
  ++counters_.link_items;
  if (edge.link->AddNotification(std::move(item))) {
    Wake(edge);
    return true;
  }
  ++counters_.link_dropped;
  return false;
}

// Sends a session the next of what waits for its user, as long as what it has not acknowledged
// leaves room: a full inbox must not flood a connection.
void RoomsCore::DeliverPending(Session& session) {
  session.more_notifications = false;
  if (!session.edge->connected()) return;  // Its edge's hello begins anew.
  int64_t window = options_.notification_window_bytes;
  for (const auto& [offset, stored] : inboxes_.PendingOf(session.user_id())) {
    const auto size = static_cast<int64_t>(stored->ByteSizeLong());
    if (offset > session.notified) {
      session.more_notifications = window <= 0;
      if (session.more_notifications) return;
      v1::OwnerItem item;
      *item.mutable_notification() = Inboxes::ToLink(*stored);
      item.mutable_notification()->add_session_ids(session.id());
      session.more_notifications = !SendNotificationTo(*session.edge, std::move(item));
      if (session.more_notifications) return;
      session.notified = offset;
    }
    window -= size;
  }
}

// After an acknowledgement.
void RoomsCore::GoOnNotifying(const std::string& user_id) {
  const auto* sessions = edges_.SessionsOf(user_id);
  if (sessions == nullptr) return;
  for (Session* session : *sessions) {
    if (session->more_notifications) DeliverPending(*session);
  }
}

// What edges had no credit for.
void RoomsCore::GoOnNotifying() {
  for (const auto& [incarnation, edge] : edges_.edges()) {
    if (!edge->connected() || !edge->link->TakeNotificationsDue()) continue;
    for (const auto& [id, session] : edge->sessions) {
      if (session->more_notifications) DeliverPending(*session);
    }
  }
}

void RoomsCore::ReviewPermissions() {
  for (const auto& [incarnation, edge] : edges_.edges()) {
    for (const auto& [id, session] : edge->sessions) {
      const std::vector<Session::Membership> memberships = session->rooms;
      for (const Session::Membership& membership : memberships) {
        const RoomPtr room = table_.Find(membership.room_id);
        if (room != nullptr &&
            !Allows(*session->identity, policy::Action::kRoomRead, room->id(), room.get())) {
          EvictMember(*room, *session, "permission_revoked");
        }
      }
    }
  }
  for (const auto& [id, room] : table_.rooms()) {
    const std::vector<RoomFollower*> followers = room->followers;
    for (RoomFollower* follower : followers) {
      if (Allows(*follower->identity, policy::Action::kRoomRead, id, room.get())) continue;
      Unfollow(id, follower);
      follower->OnLeft("permission_revoked");
    }
  }
}

}  // namespace covet::rooms
