#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "covet/rooms/v1/link.pb.h"
#include "edge/frame/frame.h"
#include "edge/transport/connection.h"

namespace covet::edge {

// A message of a room, framed once for all its readers on all threads.
struct HubEvent {
  int64_t offset = 0;
  FramePtr frame;  // Null where the message is past its ttl.
  std::string event_type;
  Priority priority = Priority::kNormal;
  int64_t expires_at_ms = 0;  // Steady clock of this machine; 0 for never.
};
using HubEventPtr = std::shared_ptr<const HubEvent>;

struct RecordsItem {
  std::string room_id;
  std::string epoch;
  std::vector<HubEventPtr> events;  // Dense, ascending.
};
struct PresenceItem {
  std::string room_id;
  FramePtr frame;
};
struct HeadItem {
  std::string room_id;
  std::string epoch;
  int64_t offset = 0;
};
struct ClosedItem {
  std::string room_id;
  std::string reason;
};
struct RemovedItem {
  std::string room_id;
  std::string session_id;
  std::string reason;
};
struct MetricsItem {
  std::string room_id;
  FramePtr frame;  // Takes the subscription's id at its splice position.
};
struct NotificationItem {
  std::string notification_id;
  FramePtr frame;
  Priority priority = Priority::kNormal;
  int64_t expires_at_ms = 0;
  std::vector<std::string> session_ids;
  std::string room_id;
  bool acknowledge = false;
};
struct NotificationReadItem {
  std::string notification_id;
  std::vector<std::string> session_ids;
};

// A page of a room's log.
struct PageResult {
  std::string epoch;
  int64_t first_offset = 1;
  int64_t last_looked = 0;
  std::vector<HubEventPtr> events;
};

// The answer to one request, for the one thread that asked.
struct ReplyItem {
  uint32_t thread = 0;
  uint64_t token = 0;
  rooms::v1::OwnerReply reply;  // Of a read only the error; the records are in `page`.
  PageResult page;
};

using LinkItem = std::variant<RecordsItem, PresenceItem, HeadItem, ClosedItem, RemovedItem,
                              MetricsItem, NotificationItem, NotificationReadItem, ReplyItem>;

// What one frame of the link holds, shared by all threads. Once the last of them lets go of it, its
// credit goes back to the owner.
class LinkBatch {
 public:
  LinkBatch() = default;
  LinkBatch(const LinkBatch&) = delete;
  LinkBatch& operator=(const LinkBatch&) = delete;
  ~LinkBatch() {
    if (consumed != nullptr) consumed->fetch_add(credit_bytes, std::memory_order_relaxed);
  }

  std::vector<LinkItem> items;
  int64_t credit_bytes = 0;
  std::shared_ptr<std::atomic<int64_t>> consumed;  // The link's; it may outlive the link.
};

}  // namespace covet::edge
