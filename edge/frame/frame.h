#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

namespace covet::edge {

class Frame;
using FramePtr = std::shared_ptr<const Frame>;

// One outgoing WebSocket message, framed once for however many readers it has (RFC 6455
// section 5.2: a server's frames are unmasked, so their bytes are the same for all). Immutable and
// thread-safe.
//
// What differs per reader (`"dropped":3,`, `"subscription_id":"…",`) is inserted at the splice
// position, a byte offset in the text, by AppendSpliced; the tail behind it is shared.
class Frame {
 public:
  static constexpr size_t kNoSplice = static_cast<size_t>(-1);
  // Messages of at least this many bytes are worth deflating.
  static constexpr size_t kDeflateThreshold = 1024;

  // `text` is the whole message.
  static FramePtr Text(std::string text, size_t splice = kNoSplice);
  // A binary message. The product sends none; echo and tests do.
  static FramePtr Binary(std::string payload);
  // A ping (at most 125 bytes) that is to keep its place among messages, where Connection::Ping
  // overtakes them.
  static FramePtr Ping(std::string payload);

  // Header and payload, ready for the socket.
  std::string_view wire() const { return wire_; }
  // The payload alone.
  std::string_view text() const { return std::string_view(wire_).substr(header_size_); }
  // Ready for the socket of a reader that negotiated permessage-deflate (RFC 7692) with both
  // no_context_takeover flags and a 15-bit window. Deflated on first use, once; the same as wire()
  // below the threshold or where deflating gains nothing.
  std::string_view deflated_wire() const;

  // The frame as it reads with `insert` at the splice position is what AppendSplicedHead appends
  // (the header and everything before the shared tail), then spliced_tail with the same `deflate`.
  // With `deflate` the head holds stored blocks (RFC 1951 section 3.2.4) and the tail is deflated,
  // once. Both require a splice.
  void AppendSplicedHead(std::string_view insert, bool deflate, std::string* out) const;
  std::string_view spliced_tail(bool deflate) const;
  // Head and tail in one piece.
  void AppendSpliced(std::string_view insert, bool deflate, std::string* out) const;
  bool can_splice() const { return splice_ != kNoSplice; }
  size_t splice() const { return splice_; }

 private:
  struct Token {};

 public:
  // For std::make_shared only.
  explicit Frame(Token) {}

 private:
  static FramePtr Make(uint8_t opcode, std::string payload, size_t splice);
  // Empty if deflating gains nothing.
  const std::string& DeflatedTail() const;

  std::string wire_;
  size_t header_size_ = 0;
  size_t splice_ = kNoSplice;
  mutable std::once_flag wire_once_;
  mutable std::once_flag tail_once_;
  mutable std::string deflated_wire_;  // Empty if not worth it.
  mutable std::string deflated_tail_;  // From the splice position on.
};

}  // namespace covet::edge
