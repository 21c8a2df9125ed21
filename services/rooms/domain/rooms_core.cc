#include "services/rooms/domain/rooms_core.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/base/proto_time.h"
#include "common/payload/json_scanner.h"
#include "covet/rooms/v1/storage.pb.h"
#include "services/rooms/domain/errors.h"

namespace covet::rooms {
namespace {

constexpr int32_t kDefaultPage = 100;
constexpr int32_t kMaxPage = 1'000;
constexpr int32_t kMaxReplay = 10'000;
constexpr int64_t kMaxPageBytes = 2 << 20;
// Every room_joined carries the metadata.
constexpr int64_t kMaxDefinitionBytes = 64 << 10;
constexpr int64_t kMaxDurationMs = int64_t{36'525} * 86'400'000;
constexpr size_t kMaxIdLength = 128;

// Page tokens hold the last key of the page before.
constexpr std::string_view kTokenPrefix = "after:";

std::string ToPageToken(std::string_view key) { return std::string(kTokenPrefix).append(key); }

absl::StatusOr<std::string> FromPageToken(const std::string& token) {
  if (token.empty()) return std::string();
  if (token.starts_with(kTokenPrefix)) return token.substr(kTokenPrefix.size());
  return InvalidField("page_token", "the next_page_token of a page", token);
}

int32_t PageSize(int32_t asked) { return asked <= 0 ? kDefaultPage : std::min(asked, kMaxPage); }

void SetTime(int64_t ms, google::protobuf::Timestamp* time) {
  time->set_seconds(ms / 1000);
  time->set_nanos(static_cast<int32_t>(ms % 1000) * 1'000'000);
}

bool IsId(std::string_view id) {
  return !id.empty() && id.size() <= kMaxIdLength && std::all_of(id.begin(), id.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == ':' || c == '@' || c == '-';
  });
}

absl::Status CheckRoomId(std::string_view room_id) {
  if (IsId(room_id)) return absl::OkStatus();
  return InvalidField("room_id", "1 to 128 of A-Z a-z 0-9 . _ : @ -", room_id);
}

absl::Status CheckDuration(std::string_view field, const google::protobuf::Duration& duration) {
  const int64_t ms = Millis(duration);
  if (ms >= 0 && ms <= kMaxDurationMs) return absl::OkStatus();
  return InvalidField(field, "0 to 100 years", absl::StrCat(duration.seconds(), " s"));
}

absl::Status CheckRetention(const v1::Retention& retention) {
  if (absl::Status status = CheckDuration("retention.max_age", retention.max_age()); !status.ok()) {
    return status;
  }
  if (retention.max_count() < 0) {
    return InvalidField("retention.max_count", "not negative", absl::StrCat(retention.max_count()));
  }
  if (retention.max_bytes() < 0) {
    return InvalidField("retention.max_bytes", "not negative", absl::StrCat(retention.max_bytes()));
  }
  return absl::OkStatus();
}

// What callers say of a room.
absl::Status CheckDefinition(const v1::Room& room) {
  const auto size = static_cast<int64_t>(room.ByteSizeLong());
  if (size > kMaxDefinitionBytes) return DefinitionTooLarge(kMaxDefinitionBytes, size);
  if (absl::Status status = CheckRetention(room.retention()); !status.ok()) return status;
  const auto compiled = policy::RoomGrants::Compile(room.grants());
  if (compiled.ok()) return absl::OkStatus();
  return InvalidField("grants", "grants of room:read, room:write or room:manage",
                      std::string(compiled.status().message()));
}

}  // namespace

RoomsCore::RoomsCore(RoomsOptions options, CoreEnvironment env)
    : options_(std::move(options)),
      env_(env),
      incarnation_(env.ids.NewId("")),
      table_(options_, env.clock, env.executor, env.disk, env.memory,
             [this](Room& room, const PendingBatch& batch) { OnCommit(room, batch); }),
      inboxes_(env.clock, env.executor, env.disk, options_.max_pending_notifications) {}

void RoomsCore::Start(std::function<void(absl::Status)> done) {
  last_metrics_ms_ = last_idle_scan_ms_ = env_.clock.SteadyMillis();
  table_.Start([this, done = std::move(done)](const absl::Status& status) {
    if (!status.ok()) return done(status);
    inboxes_.Start([this, done](const absl::Status& loaded) {
      if (!loaded.ok()) return done(loaded);
      LoadLeases(done);
    });
  });
}

void RoomsCore::SetOptions(const RoomsOptions& options) {
  options_ = options;
  table_.SetOptions(options);
}

bool RoomsCore::Allows(const common::v1::Identity& identity, policy::Action action,
                       std::string_view room_id, const Room* room) const {
  return env_.policy.Get()->Allows(identity, action, room_id, room ? &room->grants : nullptr);
}

absl::StatusOr<RoomPtr> RoomsCore::Authorize(const IdentityPtr& caller, policy::Action action,
                                             std::string_view room_id) {
  if (absl::Status status = CheckRoomId(room_id); !status.ok()) return status;
  RoomPtr room = table_.Find(room_id);
  if (!Allows(*caller, action, room_id, room.get())) {
    return PermissionDenied(policy::ActionName(action), room_id);
  }
  if (room == nullptr) return RoomNotFound(room_id);
  return room;
}

absl::Status RoomsCore::CheckEventType(std::string_view event_type) const {
  if (!IsId(event_type)) {
    return InvalidField("event_type", "1 to 128 of A-Z a-z 0-9 . _ : @ -", event_type);
  }
  if (event_type == "user_activity" || event_type.starts_with("covet.")) {
    return InvalidField("event_type", "a type that is not the server's own", event_type);
  }
  return absl::OkStatus();
}

v1::Room RoomsCore::Describe(const Room& room) const {
  v1::Room out = room.definition;
  out.set_epoch(room.epoch);
  out.set_first_offset(room.first);
  out.set_last_offset(room.head);
  out.set_member_count(room.presence.user_count());
  return out;
}

void RoomsCore::CreateRoom(const IdentityPtr& caller, const v1::CreateRoomRequest& request,
                           Reply<v1::Room> reply) {
  if (absl::Status status = CheckRoomId(request.room_id()); !status.ok()) return reply(status);
  const RoomPtr known = table_.Find(request.room_id());
  if (!Allows(*caller, policy::Action::kRoomManage, request.room_id(), known.get())) {
    return reply(PermissionDenied("room:manage", request.room_id()));
  }
  if (known != nullptr) return reply(RoomExists(request.room_id()));
  v1::Room definition;
  definition.set_room_id(request.room_id());
  *definition.mutable_metadata() = request.metadata();
  if (request.has_retention()) *definition.mutable_retention() = request.retention();
  *definition.mutable_grants() = request.grants();
  definition.set_durability(request.durability() == v1::DURABILITY_MEMORY ? v1::DURABILITY_MEMORY
                                                                          : v1::DURABILITY_DISK);
  if (absl::Status status = CheckDefinition(definition); !status.ok()) return reply(status);
  table_.Create(std::move(definition), [this, reply](const absl::StatusOr<RoomPtr>& room) {
    if (!room.ok()) return reply(room.status());
    reply(Describe(**room));
  });
}

void RoomsCore::GetRoom(const IdentityPtr& caller, const v1::GetRoomRequest& request,
                        Reply<v1::Room> reply) {
  const auto room = Authorize(caller, policy::Action::kRoomRead, request.room_id());
  if (!room.ok()) return reply(room.status());
  table_.WhenReady(*room, [this, room = *room, reply](const absl::Status& status) {
    if (!status.ok()) return reply(status);
    reply(Describe(*room));
  });
}

void RoomsCore::ListRooms(const IdentityPtr& caller, const v1::ListRoomsRequest& request,
                          Reply<v1::ListRoomsResponse> reply) {
  const auto page_size = static_cast<size_t>(PageSize(request.page_size()));
  auto page = std::make_shared<std::vector<RoomPtr>>();
  int64_t bytes = 0;
  std::string next;
  const auto after = FromPageToken(request.page_token());
  if (!after.ok()) return reply(after.status());
  auto it = after->empty() ? table_.rooms().lower_bound(request.prefix())
                           : table_.rooms().upper_bound(*after);
  for (; it != table_.rooms().end(); ++it) {
    if (!it->first.starts_with(request.prefix())) {
      if (it->first > request.prefix()) break;
      continue;
    }
    if (!Allows(*caller, policy::Action::kRoomRead, it->first, it->second.get())) continue;
    bytes += static_cast<int64_t>(it->second->definition.ByteSizeLong());
    if (page->size() == page_size || (bytes > kMaxPageBytes && !page->empty())) {
      next = ToPageToken(page->back()->id());
      break;
    }
    page->push_back(it->second);
  }
  auto open = std::make_shared<size_t>(page->size() + 1);
  const auto finish = [this, page, open, next = std::move(next), reply](const absl::Status&) {
    if (--*open > 0) return;
    v1::ListRoomsResponse response;
    for (const RoomPtr& room : *page) {
      if (!room->dead) *response.add_rooms() = Describe(*room);
    }
    response.set_next_page_token(next);
    reply(std::move(response));
  };
  for (const RoomPtr& room : *page) table_.WhenReady(room, finish);
  finish(absl::OkStatus());
}

void RoomsCore::UpdateRoom(const IdentityPtr& caller, const v1::UpdateRoomRequest& request,
                           Reply<v1::Room> reply) {
  const auto room = Authorize(caller, policy::Action::kRoomManage, request.room().room_id());
  if (!room.ok()) return reply(room.status());
  bool metadata = !request.has_update_mask();
  bool retention = metadata;
  bool grants = metadata;
  for (const std::string& path : request.update_mask().paths()) {
    if (path == "metadata") {
      metadata = true;
    } else if (path == "retention") {
      retention = true;
    } else if (path == "grants") {
      grants = true;
    } else {
      return reply(InvalidField("update_mask", "metadata, retention or grants", path));
    }
  }
  v1::Room definition = (*room)->definition;
  if (metadata) *definition.mutable_metadata() = request.room().metadata();
  if (retention) *definition.mutable_retention() = request.room().retention();
  if (grants) *definition.mutable_grants() = request.room().grants();
  if (absl::Status status = CheckDefinition(definition); !status.ok()) return reply(status);
  (*room)->definition = std::move(definition);
  if (grants) {
    CompileGrants(**room);
    ReviewPermissions();
  }
  table_.WantTrim(*room);
  table_.Store(*room, [this, room = *room, reply](const absl::Status& stored) {
    if (!stored.ok()) return reply(Unavailable(std::string(stored.message())));
    table_.WhenReady(room, [this, room, reply](const absl::Status& status) {
      if (!status.ok()) return reply(status);
      reply(Describe(*room));
    });
  });
}

void RoomsCore::DeleteRoom(const IdentityPtr& caller, const v1::DeleteRoomRequest& request,
                           std::function<void(absl::Status)> reply) {
  const auto room = Authorize(caller, policy::Action::kRoomManage, request.room_id());
  if (!room.ok()) return reply(room.status());
  DeleteRoomNow(*room, "deleted", std::move(reply));
}

void RoomsCore::Publish(const IdentityPtr& caller, const v1::PublishRequest& request,
                        std::string payload_json, const std::string& correlation_id,
                        Reply<v1::PublishResponse> reply) {
  const auto room = Authorize(caller, policy::Action::kRoomWrite, request.room_id());
  if (!room.ok()) return reply(room.status());
  if (absl::Status status = CheckEventType(request.event_type()); !status.ok()) {
    return reply(status);
  }
  const auto size = static_cast<int64_t>(payload_json.size());
  if (size > options_.max_payload_bytes) {
    return reply(PayloadTooLarge(options_.max_payload_bytes, size));
  }
  if (request.idempotency_key().size() > kMaxIdLength) {
    return reply(InvalidField("idempotency_key", "at most 128 characters", "more"));
  }
  if (absl::Status status = CheckDuration("ttl", request.ttl()); !status.ok()) return reply(status);
  const int64_t ttl_ms = Millis(request.ttl());
  v1::StoredEvent event;
  event.set_event_type(request.event_type());
  event.set_user_id(caller->user_id());
  event.set_payload(std::move(payload_json));
  event.set_time_ms(env_.clock.WallMillis());
  if (ttl_ms > 0) event.set_expires_ms(event.time_ms() + ttl_ms);
  event.set_priority(request.priority());
  event.set_correlation_id(correlation_id);
  if (!request.idempotency_key().empty()) {
    event.set_dedup_hash(eventlog::DedupIndex::Hash(caller->user_id(), request.idempotency_key()));
  }
  table_.WhenReady(*room, [this, room = *room, event = std::move(event),
                           reply](const absl::Status& status) mutable {
    if (!status.ok()) return reply(status);
    AppendOrRepeat(room, std::move(event), /*resend=*/false,
                   [room, reply](const absl::StatusOr<Published>& published) {
                     if (!published.ok()) return reply(published.status());
                     v1::PublishResponse response;
                     response.set_offset(published->offset);
                     response.set_epoch(room->epoch);
                     response.set_duplicate(published->duplicate);
                     reply(std::move(response));
                   });
  });
}

void RoomsCore::AppendOrRepeat(const RoomPtr& room, v1::StoredEvent event, bool resend,
                               PublishCallback done) {
  if (event.dedup_hash() != 0) {
    const int64_t now = std::max(room->time_ms, event.time_ms());
    if (const auto offset = room->dedup.Find(event.dedup_hash(), now)) {
      ++counters_.duplicates;
      return table_.WaitForCommit(room, Published{*offset, !resend}, std::move(done));
    }
  }
  table_.Append(room, std::move(event), std::move(done));
}

void RoomsCore::ListMembers(const IdentityPtr& caller, const v1::ListMembersRequest& request,
                            Reply<v1::ListMembersResponse> reply) {
  const auto room = Authorize(caller, policy::Action::kRoomRead, request.room_id());
  if (!room.ok()) return reply(room.status());
  const auto after = FromPageToken(request.page_token());
  if (!after.ok()) return reply(after.status());
  std::vector<const std::string*> users;
  for (const auto& [user_id, user] : (*room)->presence.users()) {
    if (user_id > *after) users.push_back(&user_id);
  }
  std::sort(users.begin(), users.end(),
            [](const std::string* a, const std::string* b) { return *a < *b; });
  const auto page_size = static_cast<size_t>(PageSize(request.page_size()));
  v1::ListMembersResponse response;
  response.set_member_count((*room)->presence.user_count());
  for (size_t i = 0; i < std::min(users.size(), page_size); ++i) {
    v1::Member& member = *response.add_members();
    member.set_user_id(*users[i]);
    for (const std::string& session_id : (*room)->presence.users().at(*users[i]).sessions) {
      member.add_session_ids(session_id);
    }
  }
  if (users.size() > page_size) response.set_next_page_token(ToPageToken(*users[page_size - 1]));
  reply(std::move(response));
}

RoomsCore::History RoomsCore::ToHistory(const Room& room, RoomPage page) const {
  History history;
  const int64_t now = env_.clock.WallMillis();
  v1::StoredEvent event;
  for (const auto& [offset, record] : page.records) {
    if (!event.ParseFromString(*record)) continue;
    if (event.expires_ms() > 0 && event.expires_ms() <= now) continue;
    v1::RoomEvent& out = history.events.emplace_back();
    out.set_room_id(room.id());
    out.set_id(absl::StrCat("ev_", page.epoch, "_", offset));
    out.set_event_type(std::move(*event.mutable_event_type()));
    out.set_offset(offset);
    out.set_epoch(page.epoch);
    out.set_sender_user_id(std::move(*event.mutable_user_id()));
    out.set_sender_session_id(std::move(*event.mutable_session_id()));
    out.mutable_payload()->set_json(std::move(*event.mutable_payload()));
    SetTime(event.time_ms(), out.mutable_timestamp());
    out.set_priority(event.priority());
    out.set_correlation_id(std::move(*event.mutable_correlation_id()));
  }
  history.page = std::move(page);
  history.page.records.clear();
  return history;
}

void RoomsCore::GetHistory(const IdentityPtr& caller, const v1::GetHistoryRequest& request,
                           Reply<History> reply) {
  const auto room = Authorize(caller, policy::Action::kRoomRead, request.room_id());
  if (!room.ok()) return reply(room.status());
  if (request.after_offset() < 0) {
    return reply(
        InvalidField("after_offset", "not negative", absl::StrCat(request.after_offset())));
  }
  table_.WhenReady(*room, [this, room = *room, request, reply](const absl::Status& status) {
    if (!status.ok()) return reply(status);
    if (!request.epoch().empty() && request.epoch() != room->epoch) {
      return reply(EpochChanged(room->id()));
    }
    ReadPage(room->id(), request.after_offset(), PageSize(request.page_size()), kMaxPageBytes,
             reply);
  });
}

void RoomsCore::ReadPage(const std::string& room_id, int64_t after, int32_t limit,
                         int64_t max_bytes, Reply<History> reply) {
  const RoomPtr room = table_.Find(room_id);
  if (room == nullptr) return reply(RoomNotFound(room_id));
  table_.Read(room, after, limit, max_bytes, [this, room, reply](absl::StatusOr<RoomPage> page) {
    if (!page.ok()) return reply(page.status());
    reply(ToHistory(*room, *std::move(page)));
  });
}

void RoomsCore::RemoveMember(const IdentityPtr& caller, const v1::RemoveMemberRequest& request,
                             Reply<v1::RemoveMemberResponse> reply) {
  const auto room = Authorize(caller, policy::Action::kRoomManage, request.room_id());
  if (!room.ok()) return reply(room.status());
  if (request.user_id().empty()) return reply(InvalidField("user_id", "a user's id", "nothing"));
  int32_t removed = 0;
  if (const auto* sessions = edges_.SessionsOf(request.user_id())) {
    const std::vector<Session*> copy(sessions->begin(), sessions->end());
    for (Session* session : copy) {
      if (!request.session_id().empty() && session->id() != request.session_id()) continue;
      if (session->Find(request.room_id()) == nullptr) continue;
      EvictMember(**room, *session, "removed");
      ++removed;
    }
  }
  const std::vector<RoomFollower*> followers = (*room)->followers;
  for (RoomFollower* follower : followers) {
    if (follower->identity->user_id() != request.user_id()) continue;
    if (!request.session_id().empty() && follower->session_id != request.session_id()) continue;
    Unfollow(request.room_id(), follower);
    follower->OnLeft("removed");
    ++removed;
  }
  v1::RemoveMemberResponse response;
  response.set_removed_sessions(removed);
  reply(std::move(response));
}

void RoomsCore::ListSessions(const IdentityPtr& caller, const v1::ListSessionsRequest& request,
                             Reply<v1::ListSessionsResponse> reply) {
  if (!Allows(*caller, policy::Action::kRoomManage, "*", nullptr)) {
    return reply(PermissionDenied("room:manage", "*"));
  }
  const auto after = FromPageToken(request.page_token());
  if (!after.ok()) return reply(after.status());
  const int32_t page_size = PageSize(request.page_size());
  v1::ListSessionsResponse response;
  const auto& sessions = edges_.sessions();
  for (auto it = sessions.upper_bound(*after); it != sessions.end(); ++it) {
    const Session& session = *it->second;
    if (!request.user_id().empty() && session.user_id() != request.user_id()) continue;
    if (response.sessions_size() == page_size) {
      response.set_next_page_token(ToPageToken(response.sessions(page_size - 1).session_id()));
      break;
    }
    v1::Session& out = *response.add_sessions();
    out.set_session_id(session.id());
    out.set_user_id(session.user_id());
    out.set_edge(session.edge->name);
    SetTime(session.connected_ms, out.mutable_connected_at());
    for (const Session::Membership& membership : session.rooms)
      out.add_room_ids(membership.room_id);
  }
  reply(std::move(response));
}

void RoomsCore::Follow(const v1::JoinRequest& request, RoomFollower* follower,
                       Reply<FollowStart> reply) {
  auto room = Authorize(follower->identity, policy::Action::kRoomRead, request.room_id());
  const RoomPattern* pattern = table_.PatternFor(request.room_id());
  if (!room.ok() && CodeOf(room.status()) == ErrorCode::kRoomNotFound && pattern != nullptr) {
    table_.Create(table_.DefinitionFrom(*pattern, request.room_id()),
                  [](const absl::StatusOr<RoomPtr>&) {});
    room = table_.Find(request.room_id());
  }
  if (!room.ok()) return reply(room.status());
  if (request.history() < 0 || request.history() > kMaxReplay) {
    return reply(InvalidField("history", "0 to 10000", absl::StrCat(request.history())));
  }
  table_.WhenReady(
      *room, [this, room = *room, request, follower, reply](const absl::Status& status) {
        if (!status.ok()) return reply(status);
        room->followers.push_back(follower);
        const std::string user_id = follower->identity->user_id();
        env_.leases.Upsert(
            {absl::StrCat("owner:", incarnation_), follower->session_id, user_id, room->id()});
        const bool joined = room->presence.Add(user_id, follower->session_id);
        FollowStart start;
        start.room = Describe(*room);
        start.cursor = room->head;
        const int64_t oldest = std::max(room->first - 1, room->head - kMaxReplay);
        if (request.has_resume()) {
          const v1::Position& from = request.resume();
          if (from.epoch() == room->epoch && from.offset() <= room->head) {
            start.recovered = from.offset() >= oldest;
            start.cursor = std::max(from.offset(), oldest);
          }
        } else if (request.history() > 0) {
          start.cursor = std::max(room->head - request.history(), oldest);
        }
        reply(std::move(start));  // Which may end the follower.
        if (joined) EmitPresence(*room, "joined", user_id);
      });
}

void RoomsCore::Unfollow(const std::string& room_id, RoomFollower* follower) {
  const RoomPtr room = table_.Find(room_id);
  if (room == nullptr || std::erase(room->followers, follower) == 0) return;
  room->presence.Remove(follower->identity->user_id(), follower->session_id,
                        env_.clock.SteadyMillis(), options_.presence_grace_ms);
  const auto user = room->presence.users().find(follower->identity->user_id());
  if (user == room->presence.users().end() || !user->second.sessions.empty()) {
    env_.leases.Remove(follower->session_id, room_id);
  }
  SchedulePresence(room);
}

void RoomsCore::SendNotification(const IdentityPtr& caller, v1::SendNotificationRequest request,
                                 const std::string& correlation_id,
                                 Reply<v1::SendNotificationResponse> reply) {
  v1::StoredNotification stored;
  stored.set_notification_id(env_.ids.NewId("notif_"));
  *stored.mutable_content() = std::move(*request.mutable_notification());
  stored.set_time_ms(env_.clock.WallMillis());
  if (absl::Status status = CheckDuration("ttl", request.ttl()); !status.ok()) return reply(status);
  int64_t ttl_ms = Millis(request.ttl());
  if (ttl_ms == 0) ttl_ms = options_.notification_ttl_ms;
  stored.set_expires_ms(stored.time_ms() + ttl_ms);
  stored.set_priority(request.priority());
  stored.set_correlation_id(correlation_id);
  v1::LinkNotification live = Inboxes::ToLink(stored);
  live.set_acknowledge(false);
  v1::SendNotificationResponse response;
  response.set_notification_id(stored.notification_id());

  const auto allowed = [&](const std::string& target) {
    return env_.policy.Get()->Allows(*caller, policy::Action::kNotifySend, target);
  };
  ++counters_.notifications;
  switch (request.target_case()) {
    case v1::SendNotificationRequest::kUserId: {
      const std::string target = absl::StrCat("user:", request.user_id());
      if (!allowed(target)) return reply(PermissionDenied("notify:send", target));
      if (request.user_id().empty() || request.user_id().size() > kMaxIdLength) {
        return reply(InvalidField("user_id", "1 to 128 characters", request.user_id()));
      }
      inboxes_.Add(
          request.user_id(), stored,
          [this, user_id = request.user_id(), response, reply](const absl::Status& status) mutable {
            if (!status.ok()) return reply(status);
            if (const auto* sessions = edges_.SessionsOf(user_id)) {
              for (Session* session : *sessions) DeliverPending(*session);
              response.set_live_sessions(static_cast<int32_t>(sessions->size()));
            }
            reply(std::move(response));
          });
      return;
    }
    case v1::SendNotificationRequest::kSessionId: {
      const std::string target = absl::StrCat("session:", request.session_id());
      if (!allowed(target)) return reply(PermissionDenied("notify:send", target));
      Session* session = edges_.FindSession(request.session_id());
      if (session == nullptr) return reply(UnknownSession(request.session_id()));
      v1::OwnerItem item;
      live.add_session_ids(session->id());
      *item.mutable_notification() = std::move(live);
      if (session->edge->connected()) SendNotificationTo(*session->edge, std::move(item));
      response.set_live_sessions(1);
      return reply(std::move(response));
    }
    case v1::SendNotificationRequest::kRoomId: {
      const std::string target = absl::StrCat("room:", request.room_id());
      if (!allowed(target)) return reply(PermissionDenied("notify:send", target));
      const RoomPtr room = table_.Find(request.room_id());
      if (room == nullptr) return reply(RoomNotFound(request.room_id()));
      live.set_room_id(request.room_id());
      int32_t count = 0;
      for (const Room::Attachment& attachment : room->attachments) {
        if (!attachment.edge->connected()) continue;
        v1::OwnerItem item;
        *item.mutable_notification() = live;
        SendNotificationTo(*attachment.edge, std::move(item));
        count += attachment.sessions;
      }
      response.set_live_sessions(count);
      return reply(std::move(response));
    }
    case v1::SendNotificationRequest::kEveryone: {
      if (!allowed("everyone")) return reply(PermissionDenied("notify:send", "everyone"));
      int32_t count = 0;
      for (const auto& [incarnation, edge] : edges_.edges()) {
        if (!edge->connected()) continue;
        v1::OwnerItem item;
        *item.mutable_notification() = live;
        SendNotificationTo(*edge, std::move(item));
        count += static_cast<int32_t>(edge->sessions.size());
      }
      response.set_live_sessions(count);
      return reply(std::move(response));
    }
    case v1::SendNotificationRequest::TARGET_NOT_SET:
      return reply(InvalidField("target", "user_id, session_id, room_id or everyone", "nothing"));
  }
}

}  // namespace covet::rooms
