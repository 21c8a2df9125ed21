#include "edge/transport/outbound_queue.h"

#include <absl/container/flat_hash_map.h>

#include <algorithm>
#include <cassert>

namespace covet::edge {
namespace {

// Below this many tombstones a lane is not worth compacting.
constexpr uint32_t kMinCompaction = 64;
// Tags with drops that no message has told yet; beyond it the oldest are forgotten.
constexpr size_t kMaxUntoldTags = 1024;

size_t PriorityIndex(Priority priority) { return static_cast<size_t>(priority) - 1; }

uint32_t Cost(const Outbound& message) {
  const size_t bytes = message.frame->wire().size() + (message.head ? message.head->size() : 0);
  return static_cast<uint32_t>(bytes);
}

}  // namespace

void Departure::AppendInsert(std::string* out) const {
  if (dropped > 0) {
    out->append("\"dropped\":");
    out->append(std::to_string(dropped));
    out->push_back(',');
  }
  if (head) out->append(*head);
}

size_t OutboundQueue::RingOf(Lane lane, Priority priority) {
  if (lane == Lane::kOrdered) return kOrderedRing;
  return PriorityIndex(Priority::kHigh) - PriorityIndex(priority);
}

SendResult OutboundQueue::Push(Outbound message, int64_t now_ms) {
  const uint32_t cost = Cost(message);
  if (bytes_ > 0 && bytes_ + cost > limits_->max_bytes && !MakeRoom(cost, message)) {
    if (message.droppable) {
      CountRefused(message);
      return SendResult::kDropped;
    }
    if (bytes_ + cost > 2 * limits_->max_bytes) {
      overflowed_ = true;
      return SendResult::kDropped;
    }
  }
  assert(message.head == nullptr || message.frame->can_splice());
  bytes_ += cost;
  ++live_;
  rings_[RingOf(message.lane, message.priority)].push_back(
      Entry{.frame = std::move(message.frame),
            .head = std::move(message.head),
            .expires_at_ms = message.expires_at_ms,
            .queued_at_ms = now_ms,
            .cost = cost,
            .tag = message.tag,
            .priority = message.priority,
            .droppable = message.droppable});
  if (bytes_ <= limits_->high_water_bytes) return SendResult::kQueued;
  backpressured_ = true;
  return SendResult::kBackpressure;
}

bool OutboundQueue::Pop(int64_t now_ms, Departure* out) {
  for (size_t ring = 0; ring < kRings; ++ring) {
    Ring<Entry>& entries = rings_[ring];
    while (!entries.empty()) {
      Entry& entry = entries.front();
      if (entry.frame == nullptr) {
        Pass(entry);
        --overload_->tombstones[ring];
        entries.pop_front();
        continue;
      }
      --live_;
      if (entry.expires_at_ms != 0 && entry.expires_at_ms < now_ms) {
        bytes_ -= entry.cost;
        entries.pop_front();
        continue;
      }
      out->dropped = 0;
      if (overload_ && entry.tag != 0 && entry.frame->can_splice())
        out->dropped = TakeUntold(entry.tag);
      out->frame = std::move(entry.frame);
      out->head = std::move(entry.head);
      out->cost = entry.cost;
      out->queued_at_ms = entry.queued_at_ms;
      entries.pop_front();
      return true;
    }
  }
  return false;
}

void OutboundQueue::Clear() {
  for (Ring<Entry>& entries : rings_) {
    while (!entries.empty()) {
      if (entries.front().frame != nullptr) bytes_ -= entries.front().cost;
      entries.pop_front();
    }
    entries.ReleaseIfEmpty();
  }
  live_ = 0;
  overload_.reset();
}

int64_t OutboundQueue::OldestQueuedAt(int64_t none) const {
  int64_t oldest = none;
  for (const Ring<Entry>& entries : rings_) {
    for (uint32_t position = entries.front_position(); position != entries.end_position();
         ++position) {
      const Entry& entry = entries.at(position);
      if (entry.frame == nullptr) continue;
      oldest = std::min(oldest, entry.queued_at_ms);
      break;
    }
  }
  return oldest;
}

bool OutboundQueue::TakeDrained() {
  if (!backpressured_ || bytes_ > limits_->high_water_bytes / 2) return false;
  backpressured_ = false;
  return true;
}

void OutboundQueue::ReleaseIdle() {
  for (Ring<Entry>& entries : rings_) entries.ReleaseIfEmpty();
  const auto empty = [](const Ring<Entry>& entries) { return entries.empty(); };
  if (overload_ && overload_->untold.empty() && std::all_of(rings_.begin(), rings_.end(), empty)) {
    overload_.reset();
  }
}

OutboundQueue::Overload& OutboundQueue::EnsureOverload() {
  if (!overload_) {
    overload_ = std::make_unique<Overload>();
    for (size_t ring = 0; ring < kRings; ++ring) {
      overload_->searched[ring].fill(rings_[ring].front_position());
      overload_->compact_at[ring] = kMinCompaction;
    }
  }
  return *overload_;
}

bool OutboundQueue::MakeRoom(size_t cost, const Outbound& message) {
  if (cost > limits_->max_bytes && message.droppable) return false;
  const Priority highest = message.droppable ? message.priority : Priority::kHigh;
  for (Priority priority : {Priority::kLow, Priority::kNormal, Priority::kHigh}) {
    if (priority > highest) return false;
    for (size_t ring : {kOrderedRing, RingOf(Lane::kReply, priority)}) {
      while (DropOldest(ring, priority)) {
        if (bytes_ == 0 || bytes_ + cost <= limits_->max_bytes) return true;
      }
    }
  }
  return false;
}

bool OutboundQueue::DropOldest(size_t ring, Priority priority) {
  Ring<Entry>& entries = rings_[ring];
  uint32_t& searched = EnsureOverload().searched[ring][PriorityIndex(priority)];
  if (static_cast<int32_t>(searched - entries.front_position()) < 0) {
    searched = entries.front_position();
  }
  for (; searched != entries.end_position(); ++searched) {
    Entry& entry = entries.at(searched);
    if (entry.frame == nullptr || !entry.droppable || entry.priority != priority) continue;
    bytes_ -= entry.cost;
    --live_;
    ++dropped_;
    entry.frame.reset();
    entry.head.reset();
    entry.dropped = 1;
    CountTombstone(ring);
    return true;
  }
  return false;
}

void OutboundQueue::CountRefused(const Outbound& message) {
  EnsureOverload();
  ++dropped_;
  const size_t ring = RingOf(message.lane, message.priority);
  Ring<Entry>& entries = rings_[ring];
  if (!entries.empty() && entries.back().frame == nullptr && entries.back().tag == message.tag) {
    ++entries.back().dropped;
    return;
  }
  entries.push_back(Entry{.dropped = 1, .tag = message.tag});
  CountTombstone(ring);
}

void OutboundQueue::CountTombstone(size_t ring) {
  if (++overload_->tombstones[ring] >= overload_->compact_at[ring]) Compact(ring);
}

// Merges a tag's tombstones that no message of the tag separates, so that no more stay than there
// are messages and tags.
void OutboundQueue::Compact(size_t ring) {
  Ring<Entry>& entries = rings_[ring];
  absl::flat_hash_map<StreamTag, uint32_t> open;  // The tag's last tombstone, by position.
  for (uint32_t position = entries.front_position(); position != entries.end_position();
       ++position) {
    Entry& entry = entries.at(position);
    if (entry.frame != nullptr) {
      open.erase(entry.tag);
      continue;
    }
    const auto [it, first] = open.try_emplace(entry.tag, position);
    if (first) continue;
    entries.at(it->second).dropped += entry.dropped;
    entry.dropped = 0;
  }
  uint32_t tombstones = 0;
  entries.Filter([&](const Entry& entry) {
    if (entry.frame != nullptr) return true;
    if (entry.dropped == 0) return false;
    ++tombstones;
    return true;
  });
  overload_->tombstones[ring] = tombstones;
  // As many drops as what stays: a drop costs constant time in the long run.
  overload_->compact_at[ring] = tombstones + std::max(kMinCompaction, entries.size());
  overload_->searched[ring].fill(entries.front_position());
}

void OutboundQueue::Pass(const Entry& tombstone) {
  if (tombstone.tag == 0) return;
  auto& untold = overload_->untold;
  for (auto& [tag, count] : untold) {
    if (tag == tombstone.tag) {
      count += tombstone.dropped;
      return;
    }
  }
  if (untold.size() == kMaxUntoldTags) untold.erase(untold.begin());
  untold.emplace_back(tombstone.tag, tombstone.dropped);
}

uint32_t OutboundQueue::TakeUntold(StreamTag tag) {
  auto& untold = overload_->untold;
  for (auto it = untold.begin(); it != untold.end(); ++it) {
    if (it->first != tag) continue;
    const uint32_t count = it->second;
    untold.erase(it);
    return count;
  }
  return 0;
}

}  // namespace covet::edge
