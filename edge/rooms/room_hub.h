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

  // A replay in progress, of a member that resumes or of one whose socket is behind: it gets
  // (cursor, …] until it has caught up with the hub, as far as the socket takes it at each of its
  // turns, and nothing live reaches it before. So a slow reader loses nothing that the log still
  // has, and costs no memory but its queue.
  struct Replay {
    int64_t cursor = 0;
    int64_t replay_end = 0;   // Up to here events carry `"replayed":true`.
    bool may_skip = false;    // Nothing has been promised about the oldest yet.
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
  // Asks for the records after `after` that are missing; the answer comes by OnHolePage or
  // OnHoleFailed.
  using ReadHole = std::function<void(int64_t after)>;
  // A live member's socket is behind: it has a replay now, and wants a turn (CatchUp) once the
  // socket has drained.
  using FellBehind = std::function<void(const HubMember& member)>;

  RoomHub(std::string epoch, int64_t head, ReadHole read_hole, FellBehind fell_behind)
      : epoch_(std::move(epoch)),
        last_(head),
        read_hole_(std::move(read_hole)),
        fell_behind_(std::move(fell_behind)) {}

  const std::string& epoch() const { return epoch_; }
  int64_t last_offset() const { return last_; }
  bool empty() const { return members_.empty(); }
  std::vector<HubMember>& members() { return members_; }
  HubMember* Find(std::string_view session_id);

  // Adds a member, or gives a known one new options; with `go_on` a replay in progress goes on
  // under them. Else live events after `floor` reach it, unless a replay begins with StartReplay.
  HubMember& Add(HubMember member, bool go_on = false);
  // The member wants a turn from here on.
  void StartReplay(HubMember& member, int64_t after, int64_t replay_end, bool may_skip);
  void Remove(std::string_view session_id);

  // Each returns false if the hub cannot go on without loss: its members are to be reset.
  [[nodiscard]] bool OnRecords(const RecordsItem& item);
  [[nodiscard]] bool OnHead(const HeadItem& item);
  [[nodiscard]] bool OnHolePage(const PageResult& page);
  // The hole's read failed for want of an owner; the next event or head tries again.
  void OnHoleFailed() { hole_reading_ = false; }

  enum class Progress : uint8_t {
    kLive,    // It has caught up.
    kBehind,  // The socket is to drain before its next turn.
    kPage,    // It needs what comes after its replay's cursor, by OnMemberPage.
  };
  // A turn of a member with a replay: sends what is at hand.
  [[nodiscard]] Progress CatchUp(HubMember& member);
  // Sends of the page what the socket takes; the member wants another turn if it still has a replay
  // then. False if it has lost records and is to be reset.
  [[nodiscard]] bool OnMemberPage(HubMember& member, const PageResult& page);

  void OnPresence(const PresenceItem& item);
  void OnMetrics(const MetricsItem& item);
  // Tries to read a hole again, after a failure.
  void Retry();

 private:
  void Deliver(const HubEventPtr& event);
  void Retain(const HubEventPtr& event);
  void BeginReplay(HubMember& member, int64_t after);
  SendResult SendReplayed(HubMember& member, const HubEventPtr& event);
  void EndReplay(HubMember& member);
  void ReadOn();

  const std::string epoch_;
  int64_t last_;           // Delivered to every live member.
  int64_t seen_head_ = 0;  // The newest offset known to exist.
  bool hole_reading_ = false;
  uint64_t next_generation_ = 1;
  const ReadHole read_hole_;
  const FellBehind fell_behind_;
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
