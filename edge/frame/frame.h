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

// One outgoing WebSocket text message, framed once for however many readers it has (RFC 6455 section 5.2: a
// server's frames are unmasked, so their bytes are the same for all). Immutable and thread-safe.
//
// What differs per reader (`"dropped":3,`, `"subscription_id":"…",`) is inserted at the splice position, a byte
// offset in the text, by AppendSpliced; the tail behind it is shared.
class Frame {
 public:
  static constexpr size_t kNoSplice = static_cast<size_t>(-1);
  // Messages of at least this many bytes are worth deflating.
  static constexpr size_t kDeflateThreshold = 1024;

  // `text` is the whole message.
  static FramePtr Text(std::string text, size_t splice = kNoSplice);

  // Header and payload, ready for the socket.
  std::string_view wire() const { return wire_; }
  // The payload alone.
  std::string_view text() const { return std::string_view(wire_).substr(header_size_); }
  // Ready for the socket of a reader that negotiated permessage-deflate (RFC 7692) with both
  // no_context_takeover flags and a 15-bit window. Deflated on first use, once; the same as wire() below the
  // threshold or where deflating gains nothing.
  std::string_view deflated_wire() const;

  // Appends the frame as it reads with `insert` at the splice position, header included. Requires a splice.
  // With `deflate`, what comes before the shared tail goes as a stored block.
  void AppendSpliced(std::string_view insert, bool deflate, std::string* out) const;
  bool can_splice() const { return splice_ != kNoSplice; }
  size_t splice() const { return splice_; }

 private:
  Frame() = default;
  const std::string& DeflatedTail() const;

  std::string wire_;
  size_t header_size_ = 0;
  size_t splice_ = kNoSplice;
  mutable std::once_flag deflate_once_;
  mutable std::string deflated_tail_;  // From the splice position (or 0) on; empty if not worth it.
  mutable std::string deflated_wire_;
};

}  // namespace covet::edge
