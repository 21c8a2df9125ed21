#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

namespace covet::edge {

// Takes permessage-deflate out of what a client sends before the websocket layer reads it: goes
// over the frames' headers, makes the first frame of each compressed message look like that of a
// plain binary one, and remembers what each message was. So the layer needs no inflater of its own,
// which would cost every connection 13 KB, and the message can be inflated as a whole.
//
// What breaks the protocol is left as it is, for the websocket layer to refuse. Not thread-safe.
class DeflatedFrames {
 public:
  struct Message {
    bool compressed;
    bool text;
  };

  // The next bytes of the stream, in order; changes them in place.
  void Scan(char* data, size_t size);
  // Of the oldest message that has not been taken; its first frame has been scanned.
  Message Take();

 private:
  void StartFrame(char* first);
  void EndHeader();

  std::array<uint8_t, 14> header_;
  uint8_t have_ = 0;  // Of the header.
  uint8_t need_ = 2;
  uint64_t payload_ = 0;  // Bytes of the frame's payload still to come.
  // What has been scanned and not taken, a byte each. As many as fit into one read; mostly one, in
  // the string's own place.
  std::string messages_;
};

}  // namespace covet::edge
