#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "covet/common/v1/common.pb.h"
#include "edge/frame/frame.h"
#include "edge/streams/pending_batch.h"
#include "edge/streams/stream_gateway.h"

namespace covet::edge {

class StreamHub;
struct StreamGroup;
struct StreamReader;

// What a frame was made of, kept where some of it may have to be left out later.
struct FrameRecords {
  std::vector<RecordRef> refs;
  int64_t first = 0;
  int64_t last = 0;
};

// A stream_data, framed for all readers of a group or for one.
struct StreamFrame {
  FramePtr frame;  // Takes the subscription's head at its splice position.
  uint32_t records = 0;
  bool gap = false;
  // When the first of its records is past its ttl, and when the last is; 0 for never.
  int64_t first_expiry_ms = 0;
  int64_t last_expiry_ms = 0;
  std::shared_ptr<const FrameRecords> made_of;  // Null if no record has a ttl.
};

struct StreamCounters {
  int64_t frames_built = 0;
  int64_t frames_sent = 0;
  int64_t records_sent = 0;
  int64_t records_dropped = 0;
  int64_t replays = 0;
  int64_t recovered = 0;
  int64_t not_recovered = 0;
  int64_t resets = 0;
};

// A session that has subscriptions, on its thread.
struct StreamSession {
  common::v1::Identity identity;
  StreamSubscriber* subscriber = nullptr;
  Connection* connection = nullptr;
  // The socket is behind: everything waits until it has drained.
  bool behind = false;
  size_t next_to_drain = 0;  // So that a small window is shared fairly.
  std::vector<std::unique_ptr<StreamReader>> readers;
};

// One subscription. What waits for its socket is bounded by `buffer_size` records and by bytes;
// beyond that whole frames go, oldest first, and the next one that leaves tells of it. There always
// is a next one: the newest stays. A replay is not dropped: its page waits, and no other is asked
// for before.
struct StreamReader {
  // Until it has entered its group.
  struct Entry {
    SubscribeParams params;
    std::function<void(SubscribeResult)> done;
    int64_t since_ms = 0;
  };
  struct Replay {
    int64_t cursor = 0;                 // How far it has read.
    bool may_skip = false;              // Nothing has been promised about the oldest yet.
    std::vector<RecordRef> first_page;  // Until the reader has been told that it entered.
  };

  uint64_t id = 0;
  std::string subscription_id;
  std::shared_ptr<const std::string> head;  // `"subscription_id":"…",`
  int32_t buffer_size = 0;
  StreamSession* session = nullptr;
  StreamHub* hub = nullptr;
  StreamGroup* group = nullptr;
  size_t position = 0;  // Among the group's readers.

  std::unique_ptr<Entry> entry;
  std::unique_ptr<Replay> replay;
  uint64_t read_token = 0;  // Of the page that is being read; 0 for none.
  bool retry_read = false;  // The last read failed for want of the service.
  int64_t told = 0;         // It has been sent, or is about to be, what is up to here.

  std::deque<StreamFrame> waiting;
  size_t waiting_records = 0;
  size_t waiting_bytes = 0;
  int64_t dropped = 0;       // To be told by the next frame.
  bool dropped_gap = false;  // Likewise: a frame that told of a gap was dropped.

  // Sends it, or lets it wait while the socket is behind. With `max_bytes` 0 nothing is dropped.
  void Deliver(const StreamFrame& frame, size_t max_bytes, StreamCounters& counters);
  // Sends what waits until the socket is behind again.
  void SendWaiting(StreamCounters& counters);

 private:
  void Send(const StreamFrame& frame, StreamCounters& counters);
};

}  // namespace covet::edge
