#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "edge/frame/frame.h"

namespace covet::edge {

// Where a message waits. Replies leave before kOrdered, by priority, then age; kOrdered is one
// FIFO.
enum class Lane : uint8_t { kReply, kOrdered };

enum class Priority : uint8_t { kLow = 1, kNormal = 2, kHigh = 3 };

enum class SendResult : uint8_t {
  kQueued,        // Below the high-water mark.
  kBackpressure,  // Queued, but the reader is behind: hold back what can wait until OnDrained.
  kDropped,       // Not queued; counted.
};

// Identifies a room membership or subscription for the accounting of drops; 0 for none.
using StreamTag = uint32_t;

struct Outbound {
  FramePtr frame = nullptr;
  Lane lane = Lane::kOrdered;
  Priority priority = Priority::kNormal;
  // Steady-clock milliseconds after which it is not worth sending; 0 for never. Not counted as
  // dropped.
  int64_t expires_at_ms = 0;
  // May be dropped when the queue is full, which its stream's next frame then tells as
  // `"dropped":N,` at its splice position. Control messages never may.
  bool droppable = false;
  StreamTag tag = 0;
  // Inserted at the splice position, e.g. `"replayed":true,` or `"subscription_id":"…",`; mostly
  // empty.
  std::shared_ptr<const std::string> head = nullptr;
};

// One WebSocket connection, pinned to its thread: every call and every callback is made there.
class Connection {
 public:
  virtual ~Connection() = default;

  // Queues one message. Frames of one event-loop turn leave with one system call.
  virtual SendResult Send(Outbound message) = 0;
  // Bytes that wait for the socket.
  virtual size_t queued_bytes() const = 0;
  // Whether Send answered kBackpressure and OnDrained is still to come.
  virtual bool behind() const = 0;
  // Gives up what waits, but for a frame that has begun to leave.
  virtual void DropQueued() {}
  // Stops and restarts reading; a paused reader exerts TCP backpressure on its client.
  virtual void PauseReading() = 0;
  virtual void ResumeReading() = 0;
  // Sends a ping; `payload` (at most 125 bytes) comes back in OnPong, unless the connection ends
  // before.
  virtual void Ping(std::string payload) = 0;
  // Sends what is queued, then a close frame, then waits a bounded time for the peer's. Idempotent.
  // No OnText follows it; OnClosed does.
  virtual void Close(uint16_t code, std::string reason) = 0;
  // Bounds what OnText and OnBinary get, in bytes after inflating; beyond it the connection is
  // closed with 1009. Small until the session has authenticated its user.
  virtual void SetMaxMessageBytes(size_t /*bytes*/) {}
  // The peer's address after PROXY protocol and trusted proxies, without a port.
  virtual const std::string& remote_address() const = 0;
};

// What a connection tells its session. Calls come on the connection's thread, never from inside
// Send or Close.
class ConnectionHandler {
 public:
  virtual ~ConnectionHandler() = default;
  // A whole text message, valid UTF-8 (RFC 6455 section 8.1), good only during the call.
  virtual void OnText(std::string_view message) = 0;
  virtual void OnBinary(std::string_view message) = 0;
  virtual void OnPong(std::string_view payload) = 0;
  // The queue fell below its low-water mark (half the high-water mark) after kBackpressure.
  virtual void OnDrained() = 0;
  // About once a second while the connection is open, so that sessions need no timers of their own.
  // `now_ms` is steady.
  virtual void OnTick(int64_t /*now_ms*/) {}
  // The connection is gone: `code` as sent or received, 1005 if the peer gave none, 1006 if it
  // broke. The last call; the Connection is good until it returns.
  virtual void OnClosed(uint16_t code) = 0;
};

}  // namespace covet::edge
