#include "edge/rooms/thread_rooms.h"

#include <algorithm>
#include <utility>

#include "common/base/proto_time.h"
#include "common/base/slot.h"
#include "common/payload/json_writer.h"
#include "common/payload/struct_json.h"
#include "edge/codec/messages.h"

namespace covet::edge {
namespace {

using rooms::v1::EdgeRequest;

constexpr int64_t kMaxReplay = 10'000;
constexpr int32_t kPageRecords = 500;

RoomError ToError(const rooms::v1::LinkError& error) {
  RoomError result;
  result.code = error.code();
  result.message = error.message();
  for (const auto& [key, value] : error.details()) result.details[key] = value;
  return result;
}

covet::common::v1::Priority ToProto(Priority priority) {
  return static_cast<covet::common::v1::Priority>(priority);
}

std::string MetadataJson(const rooms::v1::Room& room) {
  std::string json;
  if (!payload::StructToJson(room.metadata(), &json).ok()) json = "{}";
  if (room.metadata().fields().contains("created_at")) return json;
  json.pop_back();
  std::string created;
  payload::AppendRfc3339Millis(&created, Millis(room.created_at()));
  // Whole seconds read as the specification shows them.
  if (created.ends_with(".000Z")) created.replace(created.size() - 5, 5, "Z");
  payload::AppendStringMember(&json, "created_at", created);
  json.push_back('}');
  return json;
}

}  // namespace

void ThreadRooms::OpenSession(const common::v1::Identity& identity, RoomSubscriber* subscriber) {
  sessions_[identity.session_id()].subscriber = subscriber;
  link_.OpenSession(identity, clock_.WallMillis());
}

void ThreadRooms::RenewSession(const common::v1::Identity& identity) {
  link_.OpenSession(identity, 0);
}

void ThreadRooms::CloseSession(const std::string& session_id, bool moving) {
  const auto it = sessions_.find(session_id);
  if (it == sessions_.end()) return;
  for (const std::string& room_id : it->second.rooms) {
    RoomHub* hub = FindHub(room_id);
    if (hub == nullptr) continue;
    hub->Remove(session_id);
    if (hub->empty()) hubs_.erase(room_id);
  }
  sessions_.erase(it);
  link_.CloseSession(session_id, moving);
}

uint64_t ThreadRooms::Submit(EdgeRequest request, Call call) {
  const uint64_t token = next_token_++;
  calls_.emplace(token, std::move(call));
  link_.Submit(thread_, token, std::move(request));
  return token;
}

void ThreadRooms::Join(const std::string& session_id, JoinParams params,
                       std::function<void(JoinResult)> done) {
  EdgeRequest request;
  request.set_session_id(session_id);
  request.set_correlation_id(params.correlation_id);
  request.mutable_join()->set_room_id(params.room_id);
  request.mutable_join()->set_metrics(params.subscribe_to_metrics);
  request.mutable_join()->set_slot(SlotOf(params.room_id));
  Submit(std::move(request), JoinCall{session_id, std::move(params), std::move(done)});
}

void ThreadRooms::Leave(const std::string& session_id, const std::string& room_id,
                        const std::string& correlation_id, std::function<void(RoomError)> done) {
  EdgeRequest request;
  request.set_session_id(session_id);
  request.set_correlation_id(correlation_id);
  request.mutable_leave()->set_room_id(room_id);
  Submit(std::move(request), LeaveCall{session_id, room_id, std::move(done)});
}

void ThreadRooms::Publish(const std::string& session_id, PublishParams params,
                          std::function<void(PublishResult)> done) {
  EdgeRequest request;
  request.set_session_id(session_id);
  request.set_correlation_id(std::move(params.correlation_id));
  rooms::v1::LinkPublish& publish = *request.mutable_publish();
  publish.set_room_id(std::move(params.room_id));
  publish.set_event_type(std::move(params.event_type));
  publish.set_payload(std::move(params.payload));
  publish.set_idempotency_key(std::move(params.idempotency_key));
  publish.set_ttl_ms(params.ttl_ms);
  publish.set_priority(ToProto(params.priority));
  Submit(std::move(request), PublishCall{session_id, std::move(done)});
}

bool ThreadRooms::UnsubscribeMetrics(const std::string& session_id,
                                     const std::string& subscription_id) {
  const auto it = sessions_.find(session_id);
  if (it == sessions_.end()) return false;
  for (const std::string& room_id : it->second.rooms) {
    RoomHub* hub = FindHub(room_id);
    HubMember* member = hub == nullptr ? nullptr : hub->Find(session_id);
    if (member == nullptr || member->metrics_head == nullptr) continue;
    if (member->metrics_id != subscription_id) continue;
    member->metrics_head.reset();
    member->metrics_id.clear();
    return true;
  }
  return false;
}

void ThreadRooms::AckNotification(const std::string& session_id, const std::string& notification_id,
                                  bool explicit_ack) {
  const auto session = sessions_.find(session_id);
  if (session == sessions_.end()) return;
  std::vector<Ack>& acks = session->second.acks;
  const bool known = std::any_of(acks.begin(), acks.end(), [&](const Ack& ack) {
    return ack.notification_id == notification_id && ack.is_explicit == explicit_ack;
  });
  if (known) return;
  if (acks.size() < kMaxAcks) acks.push_back({notification_id, explicit_ack, true});
  SubmitAck(session_id, notification_id, explicit_ack);
}

void ThreadRooms::SubmitAck(const std::string& session_id, const std::string& notification_id,
                            bool is_explicit) {
  EdgeRequest request;
  request.set_session_id(session_id);
  request.mutable_notification_ack()->set_notification_id(notification_id);
  request.mutable_notification_ack()->set_explicit_(is_explicit);
  Submit(std::move(request), AckCall{session_id, notification_id, is_explicit});
}

void ThreadRooms::FinishAck(const AckCall& call, const ReplyItem& item) {
  const auto session = sessions_.find(call.session_id);
  if (session == sessions_.end()) return;
  std::vector<Ack>& acks = session->second.acks;
  const auto ack = std::find_if(acks.begin(), acks.end(), [&](const Ack& known) {
    return known.notification_id == call.notification_id && known.is_explicit == call.is_explicit;
  });
  if (ack == acks.end()) return;
  if (item.reply.error().code() == "UNAVAILABLE") {
    ack->under_way = false;
    acks_failed_ = true;
    return;
  }
  acks.erase(ack);
  if (acks.empty()) std::vector<Ack>().swap(acks);
}

void ThreadRooms::OnDrained(const std::string& session_id) { TakeTurns(session_id); }

RoomHub* ThreadRooms::FindHub(const std::string& room_id) {
  const auto it = hubs_.find(room_id);
  return it == hubs_.end() ? nullptr : it->second.get();
}

void ThreadRooms::OnBatch(const LinkBatch& batch) {
  for (const LinkItem& item : batch.items) {
    if (const auto* records = std::get_if<RecordsItem>(&item)) {
      RoomHub* hub = FindHub(records->room_id);
      if (hub != nullptr && !hub->OnRecords(*records)) EndAll(records->room_id, "reset", true);
    } else if (const auto* reply = std::get_if<ReplyItem>(&item)) {
      if (reply->thread == thread_) OnReply(*reply);
    } else if (const auto* presence = std::get_if<PresenceItem>(&item)) {
      if (RoomHub* hub = FindHub(presence->room_id)) hub->OnPresence(*presence);
    } else if (const auto* head = std::get_if<HeadItem>(&item)) {
      RoomHub* hub = FindHub(head->room_id);
      if (hub == nullptr) continue;
      if (!hub->OnHead(*head)) {
        EndAll(head->room_id, "reset", true);
      } else {
        hub->Retry();
      }
    } else if (const auto* closed = std::get_if<ClosedItem>(&item)) {
      EndAll(closed->room_id, closed->reason, false);
    } else if (const auto* removed = std::get_if<RemovedItem>(&item)) {
      if (RoomHub* hub = FindHub(removed->room_id)) {
        End(*hub, removed->session_id, removed->room_id, removed->reason, false);
      }
    } else if (const auto* metrics = std::get_if<MetricsItem>(&item)) {
      if (RoomHub* hub = FindHub(metrics->room_id)) hub->OnMetrics(*metrics);
    } else if (const auto* notification = std::get_if<NotificationItem>(&item)) {
      OnNotification(*notification);
    } else if (const auto* read = std::get_if<NotificationReadItem>(&item)) {
      for (const std::string& session_id : read->session_ids) {
        const auto session = sessions_.find(session_id);
        if (session != sessions_.end()) {
          session->second.subscriber->OnNotificationRead(read->notification_id);
        }
      }
    }
  }
  link_.ReturnCredit();
}

void ThreadRooms::OnNotification(const NotificationItem& item) {
  const auto deliver = [&](const std::string& session_id) {
    const auto session = sessions_.find(session_id);
    if (session == sessions_.end()) return;
    const std::vector<Ack>& acks = session->second.acks;
    const bool acknowledged = std::any_of(acks.begin(), acks.end(), [&](const Ack& ack) {
      return ack.notification_id == item.notification_id;
    });
    if (acknowledged) return;
    session->second.subscriber->OnNotification(item.notification_id, item.frame, item.priority,
                                               item.expires_at_ms, item.acknowledge);
  };
  if (!item.session_ids.empty()) {
    for (const std::string& session_id : item.session_ids) deliver(session_id);
  } else if (!item.room_id.empty()) {
    RoomHub* hub = FindHub(item.room_id);
    if (hub == nullptr) return;
    for (const HubMember& member : hub->members()) deliver(member.session_id);
  } else {
    for (const auto& [session_id, session] : sessions_) {
      session.subscriber->OnNotification(item.notification_id, item.frame, item.priority,
                                         item.expires_at_ms, item.acknowledge);
    }
  }
}

void ThreadRooms::OnReply(const ReplyItem& item) {
  const auto it = calls_.find(item.token);
  if (it == calls_.end()) return;
  Call call = std::move(it->second);
  calls_.erase(it);
  if (auto* read = std::get_if<ReadCall>(&call)) return FinishRead(*read, item);
  if (auto* join = std::get_if<JoinCall>(&call)) return FinishJoin(*join, item);
  if (auto* leave = std::get_if<LeaveCall>(&call)) {
    if (!sessions_.contains(leave->session_id)) return;
    if (!item.reply.has_error()) RemoveFromHub(leave->session_id, leave->room_id);
    return leave->done(item.reply.has_error() ? ToError(item.reply.error()) : RoomError{});
  }
  if (auto* ack = std::get_if<AckCall>(&call)) return FinishAck(*ack, item);
  auto& publish = std::get<PublishCall>(call);
  if (!sessions_.contains(publish.session_id)) return;
  PublishResult result;
  if (item.reply.has_error()) result.error = ToError(item.reply.error());
  result.offset = item.reply.published().offset();
  result.duplicate = item.reply.published().duplicate();
  publish.done(std::move(result));
}

RoomHub& ThreadRooms::HubFor(const rooms::v1::Room& room, const std::string& joining) {
  const std::string& room_id = room.room_id();
  if (RoomHub* hub = FindHub(room_id)) {
    if (hub->epoch() == room.epoch()) return *hub;
    EndAll(room_id, "reset", true, joining);
  }
  auto& hub = hubs_[room_id];
  hub = std::make_unique<RoomHub>(
      room.epoch(), room.last_offset(),
      [this, room_id, epoch = room.epoch()](int64_t after) {
        Read(epoch, after, {.room_id = room_id, .session_id = "", .tag = 0, .generation = 0});
      },
      [this, room_id](const HubMember& member) { WantTurn(member.session_id, room_id); });
  return *hub;
}

void ThreadRooms::FinishJoin(JoinCall& call, const ReplyItem& item) {
  const auto session = sessions_.find(call.session_id);
  if (session == sessions_.end()) return;
  JoinResult result;
  if (item.reply.has_error()) {
    // A membership that ended here while this join was under way was left to it.
    RoomHub* hub = FindHub(call.params.room_id);
    if (hub == nullptr || hub->Find(call.session_id) == nullptr) {
      link_.Forget(call.session_id, call.params.room_id);
    }
    result.error = ToError(item.reply.error());
    return call.done(std::move(result));
  }
  const rooms::v1::Room& room = item.reply.joined().room();
  RoomHub& hub = HubFor(room, call.session_id);
  const int64_t head = hub.last_offset();

  HubMember member;
  member.connection = &session->second.subscriber->connection();
  member.subscriber = session->second.subscriber;
  // Joining again keeps the tag, and with it what is still to be told of drops, and goes on with a
  // replay.
  HubMember* known = hub.Find(call.session_id);
  member.tag = known != nullptr ? known->tag : next_tag_++;
  member.session_id = call.session_id;
  // Another edge may have taken the session further than this hub is, or a replay that read on.
  member.floor = known != nullptr ? std::max(head, known->floor) : head;
  if (known != nullptr && known->replay != nullptr) {
    member.floor = std::max(member.floor, known->replay->cursor);
  }
  member.filtered = call.params.has_filter;
  member.event_types = std::move(call.params.event_types);
  std::sort(member.event_types.begin(), member.event_types.end());
  if (call.params.subscribe_to_metrics) {
    member.metrics_head =
        std::make_shared<const std::string>(SubscriptionHead(call.params.request_id));
    member.metrics_id = call.params.request_id;
  }

  result.epoch = room.epoch();
  result.offset = member.floor;
  result.member_count = room.member_count();
  result.permissions.assign(item.reply.joined().permissions().begin(),
                            item.reply.joined().permissions().end());
  result.metadata_json = MetadataJson(room);

  const int64_t oldest = std::max(room.first_offset() - 1, head - kMaxReplay);
  int64_t after = head;
  bool may_skip = true;
  if (call.params.has_resume) {
    const int64_t from = call.params.resume_offset;
    if (call.params.resume_epoch == room.epoch() && from <= room.last_offset()) {
      member.floor = result.offset = std::max(member.floor, from);
      result.recovered = from >= oldest;
      may_skip = !result.recovered;
      after = std::max(from, oldest);
    }
    ++(result.recovered ? counters_.recovered : counters_.not_recovered);
  } else if (call.params.history > 0) {
    after = std::max(head - std::min<int64_t>(call.params.history, kMaxReplay), oldest);
  }

  auto& rooms = session->second.rooms;
  if (std::find(rooms.begin(), rooms.end(), room.room_id()) == rooms.end()) {
    rooms.push_back(room.room_id());
  }
  const bool go_on =
      known != nullptr && known->replay != nullptr && after >= head && !call.params.has_resume;
  const std::string session_id = call.session_id;
  const std::string room_id = room.room_id();
  hub.Add(std::move(member), go_on);
  call.done(std::move(result));
  // The callback may have ended the session.
  RoomHub* joined = FindHub(room_id);
  HubMember* entered = joined == nullptr ? nullptr : joined->Find(session_id);
  if (entered == nullptr || after >= head) return;
  ++counters_.replays;
  joined->StartReplay(*entered, after, head, may_skip);
  WantTurn(session_id, room_id);
  TakeTurns(session_id);
}

void ThreadRooms::WantTurn(const std::string& session_id, const std::string& room_id) {
  const auto session = sessions_.find(session_id);
  if (session == sessions_.end()) return;
  std::vector<std::string>& turns = session->second.turns;
  if (std::find(turns.begin(), turns.end(), room_id) == turns.end()) turns.push_back(room_id);
}

void ThreadRooms::TakeTurns(const std::string& session_id) {
  const auto it = sessions_.find(session_id);
  if (it == sessions_.end()) return;
  SessionEntry& session = it->second;
  while (session.reading == 0 && !session.turns.empty() &&
         !session.subscriber->connection().behind()) {
    const std::string room_id = session.turns.front();
    session.turns.erase(session.turns.begin());
    RoomHub* hub = FindHub(room_id);
    HubMember* member = hub == nullptr ? nullptr : hub->Find(session_id);
    if (member == nullptr || member->replay == nullptr) continue;
    switch (hub->CatchUp(*member)) {
      case RoomHub::Progress::kLive:
        break;
      case RoomHub::Progress::kBehind:
        session.turns.push_back(room_id);
        return;
      case RoomHub::Progress::kPage:
        if (pages_ >= kMaxPages) {
          session.turns.insert(session.turns.begin(), room_id);
          if (!std::exchange(session.in_line, true)) line_.push_back(session_id);
          return;
        }
        ++pages_;
        session.reading = Read(hub->epoch(), member->replay->cursor,
                               {room_id, session_id, member->tag, member->replay->generation});
        break;
    }
  }
}

uint64_t ThreadRooms::Read(const std::string& epoch, int64_t after, ReadCall call) {
  EdgeRequest request;
  rooms::v1::LinkRead& read = *request.mutable_read();
  read.set_room_id(call.room_id);
  read.set_after_offset(after);
  read.set_limit(kPageRecords);
  read.set_max_bytes(page_bytes_);
  read.set_epoch(epoch);
  return Submit(std::move(request), std::move(call));
}

void ThreadRooms::FinishRead(const ReadCall& call, const ReplyItem& item) {
  if (call.session_id.empty()) return FinishHole(call, item);
  --pages_;
  const auto session = sessions_.find(call.session_id);
  if (session != sessions_.end() && session->second.reading == item.token) {
    session->second.reading = 0;
  }
  FinishPage(call, item);
  // After a failure there is nothing to be had before the next tick.
  if (item.reply.error().code() != "UNAVAILABLE") TakeTurns(call.session_id);
  while (pages_ < kMaxPages && !line_.empty()) {
    const std::string next = std::move(line_.front());
    line_.pop_front();
    const auto waiting = sessions_.find(next);
    if (waiting == sessions_.end()) continue;
    waiting->second.in_line = false;
    TakeTurns(next);
  }
}

void ThreadRooms::FinishHole(const ReadCall& call, const ReplyItem& item) {
  RoomHub* hub = FindHub(call.room_id);
  if (hub == nullptr) return;
  if (item.reply.has_error()) {
    hub->OnHoleFailed();
    if (item.reply.error().code() != "UNAVAILABLE") EndAll(call.room_id, "reset", true);
  } else if (!hub->OnHolePage(item.page)) {
    EndAll(call.room_id, "reset", true);
  }
}

void ThreadRooms::FinishPage(const ReadCall& call, const ReplyItem& item) {
  RoomHub* hub = FindHub(call.room_id);
  HubMember* member = hub == nullptr ? nullptr : hub->Find(call.session_id);
  if (member == nullptr || member->tag != call.tag || member->replay == nullptr ||
      member->replay->generation != call.generation) {
    return;
  }
  const bool failed = item.reply.has_error();
  const bool lost =
      failed ? item.reply.error().code() != "UNAVAILABLE" : !hub->OnMemberPage(*member, item.page);
  if (lost) return End(*hub, call.session_id, call.room_id, "reset", true);
  if (member->replay != nullptr) WantTurn(call.session_id, call.room_id);
}

void ThreadRooms::RemoveFromHub(const std::string& session_id, const std::string& room_id) {
  const auto session = sessions_.find(session_id);
  if (session != sessions_.end()) {
    std::erase(session->second.rooms, room_id);
    std::erase(session->second.turns, room_id);
  }
  RoomHub* hub = FindHub(room_id);
  if (hub == nullptr) return;
  hub->Remove(session_id);
  if (hub->empty()) hubs_.erase(room_id);
}

void ThreadRooms::End(RoomHub& hub, const std::string& session_id, const std::string& room_id,
                      const std::string& reason, bool tell_owner) {
  HubMember* member = hub.Find(session_id);
  if (member == nullptr) return;
  if (reason == "reset") ++counters_.resets;
  RoomSubscriber* subscriber = member->subscriber;
  RemoveFromHub(session_id, room_id);
  if (tell_owner && !IsJoining(session_id, room_id)) link_.Forget(session_id, room_id);
  subscriber->OnRoomLeft(room_id, reason);
}

// A join under way comes behind what would be forgotten, and must not be undone by it. Rare enough
// to search.
bool ThreadRooms::IsJoining(const std::string& session_id, const std::string& room_id) const {
  return std::any_of(calls_.begin(), calls_.end(), [&](const auto& entry) {
    const auto* join = std::get_if<JoinCall>(&entry.second);
    return join != nullptr && join->session_id == session_id && join->params.room_id == room_id;
  });
}

void ThreadRooms::EndAll(const std::string& room_id, const std::string& reason, bool tell_owner,
                         const std::string& joining) {
  RoomHub* hub = FindHub(room_id);
  if (hub == nullptr) return;
  std::vector<std::string> session_ids;
  for (const HubMember& member : hub->members()) session_ids.push_back(member.session_id);
  for (const std::string& session_id : session_ids) {
    hub = FindHub(room_id);
    if (hub == nullptr) return;
    End(*hub, session_id, room_id, reason, tell_owner && session_id != joining);
  }
}

void ThreadRooms::Tick() {
  for (const auto& [room_id, hub] : hubs_) hub->Retry();
  for (const auto& [session_id, session] : sessions_) {
    if (!session.turns.empty()) TakeTurns(session_id);
  }
  if (!acks_failed_ || !link_.connected()) return;
  acks_failed_ = false;
  for (auto& [session_id, session] : sessions_) {
    for (Ack& ack : session.acks) {
      if (std::exchange(ack.under_way, true)) continue;
      SubmitAck(session_id, ack.notification_id, ack.is_explicit);
    }
  }
}

}  // namespace covet::edge
