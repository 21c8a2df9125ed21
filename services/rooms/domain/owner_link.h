#pragma once

#include <cstdint>
#include <deque>
#include <string>

#include "absl/container/btree_set.h"
#include "covet/rooms/v1/link.pb.h"

namespace covet::rooms {

// What waits to go down one link. Replies always wait their turn: the edge bounds them by the
// requests it has open. Events and notifications need credit, in bytes: while there is any, the
// next one goes, whatever its size. Without it events are dropped and their rooms remembered, and
// once credit returns the edge hears where those rooms stand and reads the holes; notifications
// then come from their inboxes. Not thread-safe.
class OwnerLink {
 public:
  explicit OwnerLink(int64_t credit_bytes) : credit_(credit_bytes) {}

  // The size an item takes from the credit; both ends count the same.
  static int64_t Cost(const v1::OwnerItem& item) {
    return static_cast<int64_t>(item.ByteSizeLong());
  }

  void AddReply(v1::OwnerItem item);
  // Events of a room; false if they were dropped.
  bool AddEvent(const std::string& room_id, v1::OwnerItem item);
  // What nobody misses if it is dropped.
  bool AddTransient(v1::OwnerItem item);
  // A notification; false if it was dropped. One that waits in an inbox goes once
  // TakeNotificationsDue says so; others are for those who are there, if there is room for them.
  bool AddNotification(v1::OwnerItem item);
  // Items that must arrive although they are not replies (a room's end, a removal); rare and small.
  void AddControl(v1::OwnerItem item) { AddReply(std::move(item)); }
  // Goes with the first frame.
  void SetWelcome(const std::string& owner_incarnation) { welcome_ = owner_incarnation; }
  void AddBeat() { beat_ = true; }
  void AddCredit(int64_t bytes) { credit_ += bytes; }

  // Rooms whose events were dropped, if there is credit again to tell of them.
  absl::btree_set<std::string> TakeHoles();
  bool has_holes() const { return !holes_.empty() && credit_ > 0; }
  // Whether notifications that wait were dropped, and there is credit again for them.
  bool TakeNotificationsDue();

  // Moves what waits, about 1 MiB at most, into `frame`. False if nothing waits.
  bool TakeFrame(v1::OwnerFrame* frame);
  bool empty() const { return items_.empty() && !beat_ && welcome_.empty(); }
  int64_t dropped() const { return dropped_; }

 private:
  static constexpr int64_t kMaxFrameBytes = 1 << 20;

  struct Waiting {
    v1::OwnerItem item;
    int64_t bytes;
  };
  std::deque<Waiting> items_;
  absl::btree_set<std::string> holes_;
  int64_t credit_;
  int64_t dropped_ = 0;
  bool beat_ = false;
  bool notifications_due_ = false;
  std::string welcome_;
};

}  // namespace covet::rooms
