#pragma once

#include <cstdint>

namespace covet::edge {

// The wire under a link: one bidirectional stream at a time, each known by its number. No call is
// made with a lock held; a call for a stream that is over does nothing. Thread-safe. The link's end
// above it has OnUp, OnFrame, OnWritten and OnDown, called never two at once; OnDown is a stream's
// last.
template <typename UpFrame>
class LinkWire {
 public:
  virtual ~LinkWire() = default;
  // Opens a stream. Ends as OnUp and, later or instead, OnDown.
  virtual void Connect(uint64_t stream) = 0;
  // At most one at a time. Ends as OnWritten, or with the stream.
  virtual void Write(uint64_t stream, UpFrame frame) = 0;
  // Ends the stream, which answers with OnDown.
  virtual void Cancel(uint64_t stream) = 0;
};

}  // namespace covet::edge
