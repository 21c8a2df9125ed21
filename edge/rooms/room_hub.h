#pragma once

#include <boost/container/deque.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "edge/rooms/link_items.h"
#include "edge/rooms/room_gateway.h"

namespace covet::edge {

// One session's place in a room, on the session's thread.
struct HubMember {
  Connection* connection = nullptr;
  StreamTag tag = 0;
  // What it has seen, or is about to be read: live events up to here are not for it.
  int64_t floor = 0;
  bool filtered = false;
  std::vector<std::string> event_types;  // Sorted; empty without a filter.
  std::shared_ptr<const std::string>
      metrics_head;  // `"subscription_id":"…",`; null without metrics.
  std::string metrics_id;
  std::string session_id;
  RoomSubscriber* subscriber = nullptr;

  // A replay in progress, of a member that resumes or of one whose socket fell behind: it reads
  // (cursor, …] until it has caught up with the hub, each page once the socket has drained, and
  // nothing live reaches it before. So a slow reader loses nothing that the log still has, and
  // costs no memory but its queue.
  struct Replay {
    int64_t cursor = 0;
    int64_t replay_end = 0;  // Up to here events carry `"replayed":true`.
    bool may_skip = false;   // Nothing has been promised about the oldest yet.
    bool reading = false;
    bool wait_for_drain = false;
    uint64_t generation = 0;  // Tells a page for an earlier replay.
  };
  std::unique_ptr<Replay> replay;

  bool Wants(std::string_view event_type) const;
};

// The members of one room on one thread, and how far they have heard. Discards what is not above
// its last offset and reads what is missing. Since replies and events share one order on the link,
// a page that reaches the hub's head joins up with what comes live: nothing needs to be held back
// meanwhile. Not thread-safe: lives on its thread.
class RoomHub {
 public:
  // Asks for the records after `after`; the answer comes by OnPage with the same `reader`.
  using ReadFunction = std::function<void(const std::string& room_id, const std::string& epoch,
                                          int64_t after, uint64_t reader, uint64_t generation)>;
  // The hub as a reader; members are known by their tags.
  static constexpr uint64_t kHole = 0;

  RoomHub(std::string room_id, std::string epoch, int64_t head, ReadFunction read)
      : room_id_(std::move(room_id)),
        epoch_(std::move(epoch)),
        last_(head),
        read_(std::move(read)) {}

  const std::string& epoch() const { return epoch_; }
  int64_t last_offset() const { return last_; }
  bool empty() const { return members_.empty(); }
  std::vector<HubMember>& members() { return members_; }
  HubMember* Find(std::string_view session_id);

  // Adds a member, or gives a known one new options; with `go_on` a replay in progress goes on
  // under them. Else live events after `floor` reach it, unless a replay begins with StartReplay.
  HubMember& Add(HubMember member, bool go_on = false);
  void StartReplay(HubMember& member, int64_t after, int64_t replay_end, bool may_skip);
  void Remove(std::string_view session_id);

  // Each returns false if the hub cannot go on without loss: its members are to be reset.
  [[nodiscard]] bool OnRecords(const RecordsItem& item);
  [[nodiscard]] bool OnHead(const HeadItem& item);
  [[nodiscard]] bool OnHolePage(const PageResult& page);
  // The hole's read failed for want of an owner; the next event or head tries again.
  void OnHoleFailed() { hole_reading_ = false; }
  // False if the member has lost records and is to be reset.
  [[nodiscard]] bool OnMemberPage(HubMember& member, const PageResult& page);

  void OnPresence(const PresenceItem& item);
  void OnMetrics(const MetricsItem& item);
  // A member's socket has drained.
  void OnDrained(HubMember& member);
  // Tries again what failed while the owner was away.
  void Retry();

 private:
  void Deliver(const HubEventPtr& event);
  void Retain(const HubEventPtr& event);
  // Sends what is at hand; reads more, waits for the socket, or ends the replay.
  void Continue(HubMember& member);
  SendResult SendReplayed(HubMember& member, const HubEventPtr& event);
  void EndReplay(HubMember& member);
  void ReadHole();
  void ReadForMember(HubMember& member);

  const std::string room_id_;
  const std::string epoch_;
  int64_t last_;           // Delivered to every live member.
  int64_t seen_head_ = 0;  // The newest offset known to exist.
  bool hole_reading_ = false;
  uint64_t next_generation_ = 1;
  ReadFunction read_;
  std::vector<HubMember> members_;

  // While members catch up, what they will need next, so that a crowd of slow readers does not read
  // the same pages from the owner over and over. Dense up to last_; at most kMaxRetained bytes, the
  // oldest go first.
  static constexpr size_t kMaxRetainedBytes = 1 << 20;
  size_t replays_ = 0;
  boost::container::deque<HubEventPtr> retained_;
  size_t retained_bytes_ = 0;
};

}  // namespace covet::edge
