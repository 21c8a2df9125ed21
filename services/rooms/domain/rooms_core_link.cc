// How the owner answers its links.

#include <algorithm>
#include <utility>

#include "absl/container/btree_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "covet/rooms/v1/storage.pb.h"
#include "services/rooms/domain/errors.h"
#include "services/rooms/domain/rooms_core.h"

namespace covet::rooms {
namespace {

constexpr int kLinkVersion = 1;
constexpr int32_t kMaxReadRecords = 10'000;
constexpr int64_t kMaxReadBytes = 512 << 10;
// Of a whole hello: some two million sessions in a few rooms each.
constexpr size_t kMaxHelloBytes = 512 << 20;

void SetError(const absl::Status& status, v1::LinkError* error) {
  error->set_code(std::string(ProtocolCodeOf(status)));
  error->set_message(std::string(status.message()));
  for (const auto& [key, value] : DetailsOf(status)) {
    // Clients know the field as a member of their message's `data`.
    (*error->mutable_details())[key] = key == "field" ? "data." + value : value;
  }
}

}  // namespace

uint64_t RoomsCore::OpenLink(LinkWriter* writer) {
  const uint64_t link_id = next_link_++;
  greeting_[link_id] = {writer, {}};
  return link_id;
}

void RoomsCore::CloseLink(uint64_t link_id) {
  greeting_.erase(link_id);
  if (Edge* edge = edges_.FindByLink(link_id)) edges_.UnbindLink(*edge);
}

bool RoomsCore::TakeFrame(uint64_t link_id, v1::OwnerFrame* frame) {
  Edge* edge = edges_.FindByLink(link_id);
  if (edge == nullptr || !edge->link->TakeFrame(frame)) return false;
  frame->set_now_ms(env_.clock.WallMillis());
  return true;
}

void RoomsCore::Wake(Edge& edge) { edge.writer->Wake(); }

absl::Status RoomsCore::OnEdgeFrame(uint64_t link_id, v1::EdgeFrame frame) {
  if (frame.has_hello()) {
    const auto greeting = greeting_.find(link_id);
    if (greeting == greeting_.end()) return absl::InvalidArgumentError("a second hello");
    v1::EdgeHello& told = greeting->second.told;
    const bool more = frame.hello().more();
    if (told.incarnation().empty()) {
      told = std::move(*frame.mutable_hello());
    } else {
      told.MergeFrom(frame.hello());
    }
    if (told.ByteSizeLong() > kMaxHelloBytes) return absl::InvalidArgumentError("a vast hello");
    if (more) return absl::OkStatus();
    const Greeting whole = std::move(greeting->second);
    if (const absl::Status status = OnHello(link_id, whole.writer, whole.told); !status.ok()) {
      return status;
    }
    greeting_.erase(link_id);
  }
  Edge* edge = edges_.FindByLink(link_id);
  if (edge == nullptr) {
    // A link that a newer one of the same edge replaced is ended; one that never said hello is
    // broken.
    return absl::InvalidArgumentError("the link is not the edge's current one");
  }
  edge->last_beat_ms = env_.clock.SteadyMillis();
  if (frame.credit_bytes() > 0) {
    edge->link->AddCredit(frame.credit_bytes());
    if (edge->link->has_holes()) TellHoles(*edge);
  }
  if (frame.beat()) {
    edge->link->AddBeat();
    Wake(*edge);
  }
  for (v1::EdgeRequest& request : *frame.mutable_requests()) OnRequest(*edge, std::move(request));
  return absl::OkStatus();
}

absl::Status RoomsCore::OnHello(uint64_t link_id, LinkWriter* writer, const v1::EdgeHello& hello) {
  if (hello.version() != kLinkVersion) {
    return absl::InvalidArgumentError(
        absl::StrCat("link version ", hello.version(), " is not ", kLinkVersion));
  }
  if (hello.incarnation().empty()) return absl::InvalidArgumentError("no incarnation");
  Edge& edge = edges_.GetOrAdd(hello.incarnation());
  edge.name = hello.edge();
  edges_.BindLink(edge, link_id, writer, hello.credit_bytes());
  edge.link->SetWelcome(incarnation_);
  Reconcile(edge, hello);
  Wake(edge);
  return absl::OkStatus();
}

// Brings what is known of an edge in line with what it says: its word counts for its sessions and
// memberships, ours for whether the rooms still are and may still be read.
void RoomsCore::Reconcile(Edge& edge, const v1::EdgeHello& hello) {
  absl::flat_hash_set<std::string> told_sessions;
  for (const v1::EdgeSession& told : hello.sessions()) {
    told_sessions.insert(told.identity().session_id());
  }
  std::vector<Session*> ended;
  for (const auto& [id, session] : edge.sessions) {
    if (!told_sessions.contains(id)) ended.push_back(session.get());
  }
  for (Session* session : ended) EndSession(*session, options_.presence_grace_ms);

  for (const v1::EdgeSession& told : hello.sessions()) {
    Session* session = &KnownSession(edge, told);
    // What went down the link before may not have arrived.
    session->notified = 0;
    DeliverPending(*session);
    absl::flat_hash_set<std::string> told_rooms;
    for (const v1::SessionRoom& membership : told.rooms()) told_rooms.insert(membership.room_id());
    const std::vector<Session::Membership> known = session->rooms;
    for (const Session::Membership& membership : known) {
      if (told_rooms.contains(membership.room_id)) continue;
      if (const RoomPtr room = table_.Find(membership.room_id)) {
        RemoveMembership(*room, *session, options_.presence_grace_ms);
      }
    }
    for (const v1::SessionRoom& membership : told.rooms()) {
      const RoomPtr room = table_.Find(membership.room_id());
      if (room == nullptr) continue;  // Its edge hears so below.
      if (!Allows(*session->identity, policy::Action::kRoomRead, room->id(), room.get())) {
        AddMember(room, *session, false);
        EvictMember(*room, *session, "permission_revoked");
      } else if (AddMember(room, *session, membership.metrics())) {
        EmitPresence(*room, "joined", session->user_id());
      }
    }
  }
  for (const v1::EdgeRoom& told : hello.rooms()) {
    if (const RoomPtr room = table_.Find(told.room_id())) {
      SendHead(edge.link_id, room);
      continue;
    }
    v1::OwnerItem item;
    item.mutable_room_closed()->set_room_id(told.room_id());
    item.mutable_room_closed()->set_reason("deleted");
    edge.link->AddControl(std::move(item));
  }
}

void RoomsCore::SendHead(uint64_t link_id, const RoomPtr& room) {
  table_.WhenReady(room, [this, link_id, room](const absl::Status& status) {
    Edge* edge = edges_.FindByLink(link_id);
    if (edge == nullptr) return;
    v1::OwnerItem item;
    if (!status.ok()) {
      if (!room->dead) return;
      item.mutable_room_closed()->set_room_id(room->id());
      item.mutable_room_closed()->set_reason("deleted");
    } else {
      item.mutable_head()->set_room_id(room->id());
      item.mutable_head()->set_epoch(room->epoch);
      item.mutable_head()->set_offset(room->head);
    }
    edge->link->AddControl(std::move(item));
    Wake(*edge);
  });
}

void RoomsCore::TellHoles(Edge& edge) {
  for (const std::string& room_id : edge.link->TakeHoles()) {
    const RoomPtr room = table_.Find(room_id);
    if (room == nullptr) continue;
    SendHead(edge.link_id, room);
    // Presence that was dropped with the rest is made up for by a count.
    room->presence_dirty = true;
    SchedulePresence(room);
  }
}

void RoomsCore::OnRequest(Edge& edge, v1::EdgeRequest request) {
  const LinkCall call{edge.link_id, request.request_id(), std::move(*request.mutable_session_id()),
                      std::move(*request.mutable_correlation_id())};
  switch (request.kind_case()) {
    case v1::EdgeRequest::kOpenSession:
      return DeliverPending(KnownSession(edge, request.open_session()));
    case v1::EdgeRequest::kCloseSession: {
      Session* session = edges_.FindSession(call.session_id);
      if (session != nullptr) EndSession(*session, options_.presence_grace_ms);
      return;
    }
    case v1::EdgeRequest::kJoin:
      return OnJoin(call, request.join());
    case v1::EdgeRequest::kLeave:
      return OnLeave(call, request.leave());
    case v1::EdgeRequest::kPublish:
      return OnPublish(call, std::move(*request.mutable_publish()));
    case v1::EdgeRequest::kRead:
      return OnRead(call, request.read());
    case v1::EdgeRequest::kNotificationAck:
      return OnNotificationAck(call, request.notification_ack());
    case v1::EdgeRequest::KIND_NOT_SET:
      return SendError(call, MakeError(ErrorCode::kInvalidArgument, "a request of unknown kind"));
  }
}

// The session, made if it is new, with the identity that the edge tells.
Session& RoomsCore::KnownSession(Edge& edge, const v1::EdgeSession& told) {
  auto identity = std::make_shared<const common::v1::Identity>(told.identity());
  Session* session = edges_.FindSession(identity->session_id());
  if (session != nullptr && session->edge != &edge) {
    // Session ids are random; the same one elsewhere is that of an edge that has gone.
    EndSession(*session, 0);
    session = nullptr;
  }
  if (session == nullptr) {
    session = &edges_.AddSession(edge, std::move(identity), told.connected_ms());
  } else {
    session->identity = std::move(identity);
    const std::vector<Session::Membership> memberships = session->rooms;
    for (const Session::Membership& membership : memberships) {
      const RoomPtr room = table_.Find(membership.room_id);
      if (room != nullptr &&
          !Allows(*session->identity, policy::Action::kRoomRead, room->id(), room.get())) {
        EvictMember(*room, *session, "permission_revoked");
      }
    }
  }
  return *session;
}

void RoomsCore::OnJoin(const LinkCall& call, const v1::LinkJoin& join) {
  Session* session = edges_.FindSession(call.session_id);
  if (session == nullptr) return SendError(call, UnknownSession(call.session_id));
  RoomPtr room = table_.Find(join.room_id());
  if (!Allows(*session->identity, policy::Action::kRoomRead, join.room_id(), room.get())) {
    return SendError(call, PermissionDenied("room:read", join.room_id()));
  }
  if (room == nullptr) {
    const RoomPattern* pattern = table_.PatternFor(join.room_id());
    if (pattern == nullptr) return SendError(call, RoomNotFound(join.room_id()));
    table_.Create(table_.DefinitionFrom(*pattern, join.room_id()),
                  [](const absl::StatusOr<RoomPtr>&) {});
    room = table_.Find(join.room_id());
  }
  table_.WhenReady(room, [this, call, room, metrics = join.metrics()](const absl::Status& status) {
    if (!status.ok()) return SendError(call, status);
    FinishJoin(call, room, metrics);
  });
}

void RoomsCore::FinishJoin(const LinkCall& call, const RoomPtr& room, bool metrics) {
  Session* session = edges_.FindSession(call.session_id);
  // The edge repeats on its next link what it still wants; a membership that nobody hears of must
  // not be.
  if (session == nullptr || session->edge->link_id != call.link_id || !session->edge->connected()) {
    return;
  }
  const bool came = AddMember(room, *session, metrics);
  const std::string user_id = session->user_id();
  ++counters_.joins;
  if (env_.on_member) {
    env_.on_member({session->id(), user_id, room->id(), call.correlation_id, ""});
  }
  v1::OwnerReply reply;
  *reply.mutable_joined()->mutable_room() = Describe(*room);
  for (const std::string_view name :
       env_.policy.Get()->RoomPermissions(*session->identity, room->id(), &room->grants)) {
    reply.mutable_joined()->add_permissions(std::string(name));
  }
  SendReply(call, std::move(reply));
  // Behind the reply: the one who joins is a reader of presence too.
  if (came) EmitPresence(*room, "joined", user_id);
}

void RoomsCore::OnLeave(const LinkCall& call, const v1::LinkLeave& leave) {
  const RoomPtr room = table_.Find(leave.room_id());
  const auto finish = [this, call, room] {
    v1::OwnerReply reply;
    Session* session = edges_.FindSession(call.session_id);
    const bool left = room != nullptr && session != nullptr && session->Find(room->id()) != nullptr;
    if (left) {
      if (env_.on_member) {
        env_.on_member(
            {session->id(), session->user_id(), room->id(), call.correlation_id, "left"});
      }
      RemoveMembership(*room, *session, options_.presence_grace_ms);
    }
    reply.set_left(left);
    SendReply(call, std::move(reply));
  };
  if (room == nullptr) return finish();
  // Behind a join that waits for the same room.
  table_.WhenReady(room, [finish](const absl::Status&) { finish(); });
}

void RoomsCore::OnPublish(const LinkCall& call, v1::LinkPublish publish) {
  const RoomPtr room = table_.Find(publish.room_id());
  if (room == nullptr) {
    Session* session = edges_.FindSession(call.session_id);
    if (session == nullptr) return SendError(call, UnknownSession(call.session_id));
    const bool allowed =
        Allows(*session->identity, policy::Action::kRoomWrite, publish.room_id(), nullptr);
    return SendError(call, allowed ? RoomNotFound(publish.room_id())
                                   : PermissionDenied("room:write", publish.room_id()));
  }
  if (room->phase == Room::Phase::kReady) return FinishPublish(call, room, publish);
  auto waiting = std::make_shared<v1::LinkPublish>(std::move(publish));
  table_.WhenReady(room, [this, call, room, waiting](const absl::Status& status) {
    if (!status.ok()) return SendError(call, status);
    FinishPublish(call, room, *waiting);
  });
}

void RoomsCore::FinishPublish(const LinkCall& call, const RoomPtr& room, v1::LinkPublish& publish) {
  Session* session = edges_.FindSession(call.session_id);
  if (session == nullptr) return SendError(call, UnknownSession(call.session_id));
  if (!Allows(*session->identity, policy::Action::kRoomWrite, room->id(), room.get())) {
    return SendError(call, PermissionDenied("room:write", room->id()));
  }
  if (session->Find(room->id()) == nullptr) return SendError(call, NotJoined(room->id()));
  if (absl::Status status = CheckEventType(publish.event_type()); !status.ok()) {
    return SendError(call, status);
  }
  const auto size = static_cast<int64_t>(publish.payload().size());
  if (size > options_.max_payload_bytes) {
    return SendError(call, PayloadTooLarge(options_.max_payload_bytes, size));
  }
  v1::StoredEvent event;
  event.set_event_type(std::move(*publish.mutable_event_type()));
  event.set_user_id(session->user_id());
  event.set_session_id(session->id());
  event.set_payload(std::move(*publish.mutable_payload()));
  event.set_time_ms(env_.clock.WallMillis());
  if (publish.ttl_ms() > 0) event.set_expires_ms(event.time_ms() + publish.ttl_ms());
  event.set_priority(publish.priority());
  event.set_correlation_id(call.correlation_id);
  if (!publish.idempotency_key().empty()) {
    event.set_dedup_hash(eventlog::DedupIndex::Hash(event.user_id(), publish.idempotency_key()));
    event.set_edge_key(publish.edge_key());
  }
  AppendOrRepeat(room, std::move(event), publish.resend(),
                 [this, call, room](const absl::StatusOr<Published>& published) {
                   if (!published.ok()) return SendError(call, published.status());
                   if (env_.on_published) {
                     env_.on_published(call.session_id, room->id(), published->offset,
                                       call.correlation_id);
                   }
                   v1::OwnerReply reply;
                   reply.mutable_published()->set_offset(published->offset);
                   reply.mutable_published()->set_duplicate(published->duplicate);
                   SendReply(call, std::move(reply));
                 });
}

void RoomsCore::OnRead(const LinkCall& call, const v1::LinkRead& read) {
  const RoomPtr room = table_.Find(read.room_id());
  if (room == nullptr) return SendError(call, RoomNotFound(read.room_id()));
  table_.WhenReady(room, [this, call, room, read](const absl::Status& status) {
    if (!status.ok()) return SendError(call, status);
    if (read.epoch() != room->epoch) return SendError(call, EpochChanged(room->id()));
    const int32_t limit = std::clamp(read.limit(), 1, kMaxReadRecords);
    const int64_t bytes = std::clamp<int64_t>(read.max_bytes(), 1, kMaxReadBytes);
    table_.Read(room, read.after_offset(), limit, bytes,
                [this, call, room](absl::StatusOr<RoomPage> page) {
                  if (!page.ok()) return SendError(call, page.status());
                  v1::OwnerReply reply;
                  v1::LinkReadResult& result = *reply.mutable_read();
                  result.set_room_id(room->id());
                  result.set_epoch(page->epoch);
                  result.set_first_offset(page->first_offset);
                  result.set_last_offset(page->last_looked);
                  const int64_t now = env_.clock.WallMillis();
                  v1::StoredEvent event;
                  for (const auto& [offset, record] : page->records) {
                    v1::LinkRecord& out = *result.add_records();
                    out.set_offset(offset);
                    if (!event.ParseFromString(*record)) continue;
                    const bool ended = event.expires_ms() > 0 && event.expires_ms() <= now;
                    if (!ended) out.set_event(*record);
                  }
                  SendReply(call, std::move(reply));
                });
  });
}

void RoomsCore::OnNotificationAck(const LinkCall& call, const v1::LinkNotificationAck& ack) {
  Session* session = edges_.FindSession(call.session_id);
  if (session == nullptr) return SendError(call, UnknownSession(call.session_id));
  const std::string user_id = session->user_id();
  inboxes_.Acknowledge(user_id, ack.notification_id(),
                       [this, call, user_id](const absl::StatusOr<bool>& pending) {
                         if (!pending.ok()) return SendError(call, pending.status());
                         GoOnNotifying(user_id);
                         v1::OwnerReply reply;
                         reply.set_acknowledged(*pending);
                         SendReply(call, std::move(reply));
                       });
  if (ack.explicit_()) {
    // Told even if a pong was faster: the other sessions still show it.
    absl::btree_map<uint64_t, v1::OwnerItem> items;  // By link.
    for (Session* other : *edges_.SessionsOf(user_id)) {
      if (other == session || !other->edge->connected()) continue;
      v1::NotificationRead& read = *items[other->edge->link_id].mutable_notification_read();
      read.set_notification_id(ack.notification_id());
      read.add_session_ids(other->id());
    }
    for (auto& [link_id, item] : items) {
      Edge* edge = edges_.FindByLink(link_id);
      edge->link->AddControl(std::move(item));
      Wake(*edge);
    }
  }
}

void RoomsCore::SendReply(const LinkCall& call, v1::OwnerReply reply) {
  if (call.request_id == 0) return;
  Edge* edge = edges_.FindByLink(call.link_id);
  if (edge == nullptr) return;
  reply.set_request_id(call.request_id);
  v1::OwnerItem item;
  *item.mutable_reply() = std::move(reply);
  edge->link->AddReply(std::move(item));
  Wake(*edge);
}

void RoomsCore::SendError(const LinkCall& call, const absl::Status& status) {
  v1::OwnerReply reply;
  SetError(status, reply.mutable_error());
  SendReply(call, std::move(reply));
}

}  // namespace covet::rooms
