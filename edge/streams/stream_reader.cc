#include "edge/streams/stream_reader.h"

#include <algorithm>
#include <utility>

#include "edge/streams/stream_hub.h"

namespace covet::edge {
namespace {

// What a frame counts against buffer_size; an empty one must not be free.
size_t CostOf(const StreamFrame& frame) { return std::max<size_t>(frame.records, 1); }

}  // namespace

void StreamReader::Deliver(const StreamFrame& frame, size_t max_bytes, StreamCounters& counters) {
  if (!session->behind && waiting.empty()) return Send(frame, counters);
  waiting.push_back(frame);
  waiting_records += CostOf(frame);
  waiting_bytes += frame.frame->wire().size();
  if (max_bytes == 0) return;
  while (waiting.size() > 1 &&
         (waiting_records > static_cast<size_t>(buffer_size) || waiting_bytes > max_bytes)) {
    const StreamFrame& oldest = waiting.front();
    dropped += oldest.records;
    dropped_gap |= oldest.gap;
    counters.records_dropped += oldest.records;
    waiting_records -= CostOf(oldest);
    waiting_bytes -= oldest.frame->wire().size();
    waiting.pop_front();
  }
}

void StreamReader::SendWaiting(StreamCounters& counters) {
  while (!session->behind && !waiting.empty()) {
    const StreamFrame frame = std::move(waiting.front());
    waiting.pop_front();
    waiting_records -= CostOf(frame);
    waiting_bytes -= frame.frame->wire().size();
    Send(hub->WithoutExpired(frame), counters);
  }
}

void StreamReader::Send(const StreamFrame& frame, StreamCounters& counters) {
  Outbound message;
  message.frame = frame.frame;
  message.lane = Lane::kOrdered;
  message.head = head;
  const bool tell_gap = std::exchange(dropped_gap, false) && !frame.gap;
  if (dropped > 0 || tell_gap) {
    std::string told_head = *head;
    if (dropped > 0) {
      told_head.append("\"dropped\":")
          .append(std::to_string(std::exchange(dropped, 0)))
          .append(",");
    }
    if (tell_gap) told_head.append("\"gap\":true,");
    message.head = std::make_shared<const std::string>(std::move(told_head));
  }
  // One that tells of more than records must not go with them.
  if (message.head == head && !frame.gap) message.expires_at_ms = frame.last_expiry_ms;
  ++counters.frames_sent;
  counters.records_sent += frame.records;
  if (session->connection->Send(std::move(message)) != SendResult::kQueued) session->behind = true;
}

}  // namespace covet::edge
