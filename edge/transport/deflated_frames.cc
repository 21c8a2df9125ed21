#include "edge/transport/deflated_frames.h"

#include <algorithm>
#include <cassert>

#include "edge/frame/frame_header.h"

namespace covet::edge {
namespace {

constexpr uint8_t kRsv1 = 0x40;
constexpr uint8_t kOpcodeMask = 0x0f;
constexpr uint8_t kMasked = 0x80;
constexpr uint8_t kLengthMask = 0x7f;
constexpr char kCompressed = 1;
constexpr char kText = 2;

}  // namespace

void DeflatedFrames::Scan(char* data, size_t size) {
  for (size_t i = 0; i < size;) {
    if (payload_ > 0) {
      const auto skipped = static_cast<size_t>(std::min<uint64_t>(payload_, size - i));
      payload_ -= skipped;
      i += skipped;
      continue;
    }
    if (have_ == 0) StartFrame(&data[i]);
    header_[have_++] = static_cast<uint8_t>(data[i++]);
    if (have_ == 2) {
      const uint8_t length = header_[1] & kLengthMask;
      need_ = static_cast<uint8_t>(2 +
                                   (length == 126   ? 2
                                    : length == 127 ? 8
                                                    : 0) +
                                   ((header_[1] & kMasked) != 0 ? 4 : 0));
    }
    if (have_ == need_) EndHeader();
  }
}

void DeflatedFrames::StartFrame(char* first) {
  const auto byte = static_cast<uint8_t>(*first);
  const uint8_t opcode = byte & kOpcodeMask;
  if (opcode != kOpcodeText && opcode != kOpcodeBinary) return;
  const bool compressed = (byte & kRsv1) != 0;
  messages_.push_back(
      static_cast<char>((compressed ? kCompressed : 0) | (opcode == kOpcodeText ? kText : 0)));
  if (!compressed) return;
  *first = static_cast<char>((byte & ~kRsv1 & ~kOpcodeMask) | kOpcodeBinary);
}

void DeflatedFrames::EndHeader() {
  const uint8_t length = header_[1] & kLengthMask;
  payload_ = length;
  if (length >= 126) {
    payload_ = 0;
    for (size_t i = 2; i < (length == 126 ? 4u : 10u); ++i) payload_ = payload_ << 8 | header_[i];
  }
  have_ = 0;
  need_ = 2;
}

DeflatedFrames::Message DeflatedFrames::Take() {
  assert(!messages_.empty());
  const char message = messages_.front();
  messages_.erase(0, 1);
  if (messages_.empty()) std::string().swap(messages_);
  return {(message & kCompressed) != 0, (message & kText) != 0};
}

}  // namespace covet::edge
