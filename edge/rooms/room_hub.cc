#include "edge/rooms/room_hub.h"

#include <algorithm>
#include <utility>

#include "edge/codec/messages.h"

namespace covet::edge {
namespace {

constexpr char kPresenceType[] = "user_activity";

const std::shared_ptr<const std::string>& ReplayedHead() {
  static const auto head = std::make_shared<const std::string>(kReplayedHead);
  return head;
}

}  // namespace

bool HubMember::Wants(std::string_view event_type) const {
  return !filtered || std::binary_search(event_types.begin(), event_types.end(), event_type);
}

HubMember* RoomHub::Find(std::string_view session_id) {
  const auto it = std::find_if(members_.begin(), members_.end(), [&](const HubMember& member) {
    return member.session_id == session_id;
  });
  return it == members_.end() ? nullptr : &*it;
}

HubMember& RoomHub::Add(HubMember member, bool go_on) {
  if (HubMember* known = Find(member.session_id); known != nullptr && go_on) {
    member.replay = std::move(known->replay);
    *known = std::move(member);
    return *known;
  }
  if (HubMember* known = Find(member.session_id)) {
    if (known->replay != nullptr) EndReplay(*known);
    *known = std::move(member);
    return *known;
  }
  return members_.emplace_back(std::move(member));
}

void RoomHub::StartReplay(HubMember& member, int64_t after, int64_t replay_end, bool may_skip) {
  BeginReplay(member, after);
  member.replay->replay_end = replay_end;
  member.replay->may_skip = may_skip;
}

void RoomHub::BeginReplay(HubMember& member, int64_t after) {
  if (member.replay == nullptr) ++replays_;
  member.replay = std::make_unique<HubMember::Replay>();
  member.replay->cursor = after;
  member.replay->generation = next_generation_++;
}

void RoomHub::EndReplay(HubMember& member) {
  member.floor = std::max(member.floor, member.replay->cursor);
  member.replay.reset();
  if (--replays_ > 0) return;
  retained_.clear();
  retained_.shrink_to_fit();
  retained_bytes_ = 0;
}

void RoomHub::Remove(std::string_view session_id) {
  HubMember* member = Find(session_id);
  if (member == nullptr) return;
  if (member->replay != nullptr) EndReplay(*member);
  // Order among members means nothing.
  if (member != &members_.back()) *member = std::move(members_.back());
  members_.pop_back();
}

bool RoomHub::OnRecords(const RecordsItem& item) {
  if (item.epoch != epoch_) return false;
  for (const HubEventPtr& event : item.events) {
    seen_head_ = std::max(seen_head_, event->offset);
    if (event->offset == last_ + 1) {
      // Also while a hole is being read: its page then finds less to do.
      last_ = event->offset;
      Deliver(event);
    } else if (event->offset > last_) {
      ReadOn();
    }
  }
  return true;
}

bool RoomHub::OnHead(const HeadItem& item) {
  if (item.epoch != epoch_ || item.offset < last_) return false;
  seen_head_ = std::max(seen_head_, item.offset);
  if (seen_head_ > last_) ReadOn();
  return true;
}

void RoomHub::ReadOn() {
  if (std::exchange(hole_reading_, true)) return;
  read_hole_(last_);
}

bool RoomHub::OnHolePage(const PageResult& page) {
  hole_reading_ = false;
  if (page.epoch != epoch_ || page.first_offset > last_ + 1) return false;
  for (const HubEventPtr& event : page.events) {
    if (event->offset <= last_) continue;
    last_ = event->offset;
    Deliver(event);
  }
  last_ = std::max(last_, page.last_looked);
  if (seen_head_ > last_) ReadOn();
  return true;
}

void RoomHub::Deliver(const HubEventPtr& event) {
  if (replays_ > 0) Retain(event);
  if (event->frame == nullptr) return;
  bool behind = false;
  for (HubMember& member : members_) {
    if (member.replay != nullptr || event->offset <= member.floor) continue;
    if (!member.Wants(event->event_type)) continue;
    if (member.connection->behind()) {
      BeginReplay(member, event->offset - 1);
    } else {
      // Not droppable: a member gets one message beyond the mark, and then reads at its own pace.
      const SendResult result = member.connection->Send(
          Outbound{event->frame, Lane::kOrdered, event->priority, event->expires_at_ms,
                   /*droppable=*/false, member.tag, nullptr});
      if (result == SendResult::kQueued) continue;
      BeginReplay(member, event->offset);
    }
    behind = true;
    fell_behind_(member);
  }
  if (behind && retained_.empty()) Retain(event);
}

void RoomHub::Retain(const HubEventPtr& event) {
  retained_.push_back(event);
  const auto size = [](const HubEventPtr& kept) {
    return kept->frame == nullptr ? sizeof(HubEvent) : kept->frame->wire().size();
  };
  retained_bytes_ += size(event);
  while (retained_bytes_ > kMaxRetainedBytes && retained_.size() > 1) {
    retained_bytes_ -= size(retained_.front());
    retained_.pop_front();
  }
}

SendResult RoomHub::SendReplayed(HubMember& member, const HubEventPtr& event) {
  HubMember::Replay& replay = *member.replay;
  replay.cursor = event->offset;
  if (event->frame == nullptr || !member.Wants(event->event_type)) return SendResult::kQueued;
  return member.connection->Send(
      Outbound{event->frame, Lane::kOrdered, event->priority, event->expires_at_ms,
               /*droppable=*/false, member.tag,
               event->offset <= replay.replay_end ? ReplayedHead() : nullptr});
}

RoomHub::Progress RoomHub::CatchUp(HubMember& member) {
  const HubMember::Replay& replay = *member.replay;
  while (replay.cursor < last_) {
    const int64_t next = replay.cursor + 1;
    if (retained_.empty() || next < retained_.front()->offset) return Progress::kPage;
    const HubEventPtr event = retained_[next - retained_.front()->offset];
    if (SendReplayed(member, event) != SendResult::kQueued) return Progress::kBehind;
  }
  EndReplay(member);
  return Progress::kLive;
}

bool RoomHub::OnMemberPage(HubMember& member, const PageResult& page) {
  HubMember::Replay& replay = *member.replay;
  if (page.epoch != epoch_) return false;
  if (page.first_offset > replay.cursor + 1) {
    if (!replay.may_skip) return false;
    replay.cursor = page.first_offset - 1;
  }
  replay.may_skip = false;
  for (const HubEventPtr& event : page.events) {
    if (event->offset <= replay.cursor) continue;
    // The rest is read again, if it is no longer retained by then.
    if (SendReplayed(member, event) != SendResult::kQueued) return true;
  }
  replay.cursor = std::max(replay.cursor, page.last_looked);
  if (replay.cursor >= last_) EndReplay(member);
  return true;
}

void RoomHub::Retry() {
  if (!hole_reading_ && seen_head_ > last_) ReadOn();
}

void RoomHub::OnPresence(const PresenceItem& item) {
  for (HubMember& member : members_) {
    if (!member.Wants(kPresenceType)) continue;
    // Not of the log, so a lost one is no gap of the room's: no tag.
    member.connection->Send(
        Outbound{item.frame, Lane::kOrdered, Priority::kLow, 0, /*droppable=*/true, 0, nullptr});
  }
}

void RoomHub::OnMetrics(const MetricsItem& item) {
  for (HubMember& member : members_) {
    if (member.metrics_head == nullptr) continue;
    member.connection->Send(Outbound{item.frame, Lane::kOrdered, Priority::kLow, 0,
                                     /*droppable=*/true, 0, member.metrics_head});
  }
}

}  // namespace covet::edge
