#pragma once

#include <boost/container/deque.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/eventlog/dedup_index.h"
#include "common/policy/policy.h"
#include "covet/rooms/v1/link.pb.h"
#include "services/rooms/domain/options.h"
#include "services/rooms/domain/presence.h"
#include "services/rooms/domain/record_cache.h"

namespace covet::rooms {

struct Edge;

struct Published {
  int64_t offset = 0;
  bool duplicate = false;
};
using PublishCallback = std::function<void(absl::StatusOr<Published>)>;

// Someone who follows a room's log by reading it, woken when there is more.
class RoomFollower {
 public:
  virtual ~RoomFollower() = default;
  virtual void OnAdvance() = 0;
  virtual void OnPresence(const v1::RoomPresence& presence) = 0;
  virtual void OnLeft(const std::string& reason) = 0;
  // Where it listens, so that the owner knows which user it is.
  std::string session_id;
  std::shared_ptr<const common::v1::Identity> identity;
};

// One message on its way to the log, and then to readers.
struct PendingEvent {
  std::shared_ptr<const std::string> record;  // A serialized StoredEvent.
  int64_t expires_ms = 0;
  uint64_t dedup_hash = 0;
};

// Messages that one commit covers, with those who wait for it.
struct PendingBatch {
  int64_t first_offset = 0;
  int64_t time_ms = 0;
  int64_t bytes = 0;
  std::vector<PendingEvent> events;
  std::vector<std::pair<PublishCallback, Published>> waiters;
};

// A room as its owner holds it. Data only; RoomTable and RoomsCore act on it, on the owner's
// executor.
struct Room {
  Room(v1::Room definition, const RoomsOptions& options)
      : definition(std::move(definition)),
        cache(options.cache_records, options.cache_bytes),
        dedup(options.dedup_window_ms) {}

  const std::string& id() const { return definition.room_id(); }
  bool memory() const { return definition.durability() == v1::DURABILITY_MEMORY; }
  std::string log_id() const { return "room:" + id(); }

  v1::Room definition;        // Without the output-only fields.
  policy::RoomGrants grants;  // Those of `definition`, compiled.
  bool dead = false;          // Deleted; whoever still holds it does nothing with it.

  // The log. `head` is committed and delivered; `next` is what the next message gets.
  enum class Phase : uint8_t { kUnloaded, kLoading, kReady };
  Phase phase = Phase::kUnloaded;
  int opens_pending = 0;  // What must be done before kReady.
  std::string epoch;
  int64_t first = 1;
  int64_t head = 0;
  int64_t next = 1;
  int64_t bytes = 0;
  int64_t time_ms = 0;  // Of the newest message; never goes back, whatever the clock does.
  std::vector<std::function<void(absl::Status)>>
      waiting;  // For kReady; at most max_waiting_requests.

  PendingBatch building;                            // Collected in this turn.
  boost::container::deque<PendingBatch> in_flight;  // Given to the log, oldest first.
  bool append_failed = false;  // Until in_flight is empty, nothing is accepted.

  RecordCache cache;
  eventlog::DedupIndex dedup;
  bool trimming = false;
  bool trim_wanted = false;
  int64_t next_age_trim_ms = 0;
  bool dirty = false;  // `building` is not empty and the room is in the table's dirty list.

  // Members.
  Presence presence;
  struct Attachment {
    Edge* edge;
    int32_t sessions = 0;
    int32_t metrics_sessions = 0;
  };
  std::vector<Attachment> attachments;  // One for each edge with a member.
  std::vector<RoomFollower*> followers;
  bool presence_dirty = false;      // A count is owed.
  bool presence_scheduled = false;  // In the core's list.
  int64_t last_count_ms = 0;

  // For the room's own metrics, since they were last sent.
  int64_t messages_since = 0;
  int64_t bytes_since = 0;

  int64_t last_used_ms = 0;
  int64_t cache_touched = 0;  // Logical time of the last append, for giving up caches.
};

using RoomPtr = std::shared_ptr<Room>;

// Brings `room.grants` in line with the definition.
void CompileGrants(Room& room);

}  // namespace covet::rooms
