#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace covet::bench {

// The JSON object every publisher sends: a send time at a fixed place, then filler up to a given
// size. A member that finds the time in what it receives has got a delivery, whatever envelope a
// server put round it.
class Payload {
 public:
  static constexpr size_t kMinimumSize = 48;

  // `size` is the text's length in bytes; below kMinimumSize it becomes that.
  explicit Payload(size_t size);

  // The text with `now_ns` in it; good until the next call.
  const std::string& Stamp(uint64_t now_ns);

 private:
  std::string text_;
};

// Finds the send time in received messages. The envelope of one server keeps its place nearly
// constant, so the place of the last find is looked at before the text is searched.
class DeliveryFinder {
 public:
  // True, with the time in `sent_ns`, if `text` carries a payload of ours.
  bool Find(std::string_view text, uint64_t* sent_ns);

 private:
  size_t last_offset_ = 0;
};

}  // namespace covet::bench
