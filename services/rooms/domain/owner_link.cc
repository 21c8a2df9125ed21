#include "services/rooms/domain/owner_link.h"

#include <utility>

namespace covet::rooms {

void OwnerLink::AddReply(v1::OwnerItem item) {
  const int64_t bytes = Cost(item);
  items_.push_back({std::move(item), bytes});
}

bool OwnerLink::AddEvent(const std::string& room_id, v1::OwnerItem item) {
  const int64_t bytes = Cost(item);
  // A room with a hole stays silent until the edge knows of it: what came now would be read back
  // anyway.
  if (credit_ <= 0 || holes_.contains(room_id)) {
    ++dropped_;
    holes_.insert(room_id);
    return false;
  }
  credit_ -= bytes;
  items_.push_back({std::move(item), bytes});
  return true;
}

bool OwnerLink::AddTransient(v1::OwnerItem item) {
  const int64_t bytes = Cost(item);
  if (credit_ <= 0) {
    ++dropped_;
    return false;
  }
  credit_ -= bytes;
  items_.push_back({std::move(item), bytes});
  return true;
}

bool OwnerLink::AddNotification(v1::OwnerItem item) {
  const bool waits = item.notification().acknowledge();
  if (AddTransient(std::move(item))) return true;
  notifications_due_ = notifications_due_ || waits;
  return false;
}

bool OwnerLink::TakeNotificationsDue() {
  return credit_ > 0 && std::exchange(notifications_due_, false);
}

absl::btree_set<std::string> OwnerLink::TakeHoles() {
  if (credit_ <= 0) return {};
  return std::exchange(holes_, {});
}

bool OwnerLink::TakeFrame(v1::OwnerFrame* frame) {
  if (empty()) return false;
  frame->Clear();
  if (std::exchange(beat_, false)) frame->set_beat(true);
  if (!welcome_.empty()) {
    frame->mutable_welcome()->set_owner_incarnation(std::exchange(welcome_, {}));
    frame->mutable_welcome()->set_generation(1);
  }
  int64_t bytes = 0;
  while (!items_.empty() && (bytes == 0 || bytes + items_.front().bytes <= kMaxFrameBytes)) {
    bytes += items_.front().bytes;
    frame->mutable_items()->Add(std::move(items_.front().item));
    items_.pop_front();
  }
  return true;
}

}  // namespace covet::rooms
