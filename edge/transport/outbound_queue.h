#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "edge/frame/frame.h"
#include "edge/transport/connection.h"
#include "edge/transport/ring.h"

namespace covet::edge {

struct QueueLimits {
  // Bytes of messages that may wait, what is in flight included. One message is always taken by an
  // empty queue.
  size_t max_bytes = 1 << 20;
  // Above it Push answers kBackpressure; at half of it the queue counts as drained.
  size_t high_water_bytes = 256 << 10;
};

// One message that leaves the queue.
struct Departure {
  FramePtr frame = nullptr;
  std::shared_ptr<const std::string> head = nullptr;
  uint32_t dropped = 0;  // Messages of its tag lost before it, to be told in it.
  uint32_t cost = 0;     // To be given back by Release.
  int64_t queued_at_ms = 0;

  bool spliced() const { return dropped > 0 || head != nullptr; }
  // What goes at the frame's splice position.
  void AppendInsert(std::string* out) const;
};

// What waits for one connection's socket: three reply lanes by priority, left before one ordered
// FIFO.
//
// Policy when full: droppable messages go, lowest priority first, within one priority the ordered
// lane's before the replies', oldest first, the new message counting as the youngest; never one of
// a higher priority than a droppable newcomer's. What may not be dropped is queued beyond
// max_bytes, up to twice that; then the queue has overflowed and its connection is to be closed.
// Drops are counted per tag, at their place, and told by the next message of the tag that can be
// spliced. A message past its ttl is skipped at Pop and not counted.
//
// An empty queue holds no memory after ReleaseIdle. Not thread-safe.
class OutboundQueue {
 public:
  // `limits` must outlive the queue.
  explicit OutboundQueue(const QueueLimits* limits) : limits_(limits) {}

  SendResult Push(Outbound message, int64_t now_ms);
  // The next message that is not past its ttl; false if there is none. Its bytes stay in bytes()
  // until Release.
  bool Pop(int64_t now_ms, Departure* out);
  // A departed message has left or was abandoned.
  void Release(uint32_t cost) { bytes_ -= cost; }
  // Drops everything that waits, uncounted: the connection ends.
  void Clear();

  // No message waits; departed ones may still be in flight.
  bool empty() const { return live_ == 0; }
  size_t bytes() const { return bytes_; }
  // When the oldest waiting message was queued; `none` if there is none.
  int64_t OldestQueuedAt(int64_t none) const;
  // Push answered kBackpressure, and TakeDrained has not been true since.
  bool backpressured() const { return backpressured_; }
  // True once each time that bytes() fell to half the high-water mark after kBackpressure.
  bool TakeDrained();
  bool overflowed() const { return overflowed_; }
  // Messages dropped since the last call.
  uint32_t TakeDropped() { return std::exchange(dropped_, 0); }
  // Gives unused memory back.
  void ReleaseIdle();

 private:
  static constexpr size_t kOrderedRing = 3;
  static constexpr size_t kRings = 4;

  struct Entry {
    FramePtr frame = nullptr;  // Null once dropped: the entry then only counts drops at its place.
    std::shared_ptr<const std::string> head = nullptr;
    int64_t expires_at_ms = 0;
    int64_t queued_at_ms = 0;
    uint32_t cost = 0;
    uint32_t dropped = 0;
    StreamTag tag = 0;
    Priority priority = Priority::kNormal;
    bool droppable = false;
  };

  // Only of a queue that has dropped.
  struct Overload {
    // Per lane and priority: nothing droppable stands before this position, so that a queue that
    // stays full is not searched from its front for every drop.
    std::array<std::array<uint32_t, 3>, kRings> searched;
    std::array<uint32_t, kRings> tombstones = {};
    std::array<uint32_t, kRings> compact_at = {};
    // Drops whose place has been passed, until the tag's next message.
    std::vector<std::pair<StreamTag, uint32_t>> untold;
  };

  static size_t RingOf(Lane lane, Priority priority);
  Overload& EnsureOverload();
  bool MakeRoom(size_t cost, const Outbound& message);
  bool DropOldest(size_t ring, Priority priority);
  void CountRefused(const Outbound& message);
  void CountTombstone(size_t ring);
  void Compact(size_t ring);
  void Pass(const Entry& tombstone);
  uint32_t TakeUntold(StreamTag tag);

  const QueueLimits* limits_;
  size_t bytes_ = 0;
  uint32_t live_ = 0;
  uint32_t dropped_ = 0;
  bool backpressured_ = false;
  bool overflowed_ = false;
  std::array<Ring<Entry>, kRings> rings_;
  std::unique_ptr<Overload> overload_;
};

}  // namespace covet::edge
