#include "edge/frame/frame.h"

#include <algorithm>
#include <cassert>
#include <utility>

#include "edge/frame/deflater.h"
#include "edge/frame/frame_header.h"

namespace covet::edge {
namespace {

constexpr size_t kMaxStoredBlock = 65535;
constexpr size_t kStoredBlockHeader = 5;

size_t StoredSize(size_t bytes) {
  return bytes + (bytes + kMaxStoredBlock - 1) / kMaxStoredBlock * kStoredBlockHeader;
}

// Appends the concatenation of `a` and `b` as stored blocks. Each begins at a byte boundary, so its
// first byte holds BFINAL 0, BTYPE 00 and padding.
void AppendStored(std::string_view a, std::string_view b, std::string* out) {
  size_t left = a.size() + b.size();
  while (left > 0) {
    const size_t block = std::min(left, kMaxStoredBlock);
    const uint16_t len = static_cast<uint16_t>(block);
    const uint16_t nlen = static_cast<uint16_t>(~len);
    const char header[kStoredBlockHeader] = {
        0, static_cast<char>(len & 0xff), static_cast<char>(len >> 8),
        static_cast<char>(nlen & 0xff), static_cast<char>(nlen >> 8)};
    out->append(header, sizeof(header));
    const size_t from_a = std::min(block, a.size());
    out->append(a.substr(0, from_a));
    a.remove_prefix(from_a);
    out->append(b.substr(0, block - from_a));
    b.remove_prefix(block - from_a);
    left -= block;
  }
}

}  // namespace

FramePtr Frame::Make(uint8_t opcode, std::string payload, size_t splice) {
  assert(splice == kNoSplice || splice <= payload.size());
  auto frame = std::make_shared<Frame>(Token{});
  frame->header_size_ = FrameHeaderSize(payload.size());
  frame->splice_ = splice;
  frame->wire_.reserve(frame->header_size_ + payload.size());
  AppendFrameHeader(opcode, /*rsv1=*/false, payload.size(), &frame->wire_);
  frame->wire_.append(payload);
  return frame;
}

FramePtr Frame::Text(std::string text, size_t splice) {
  return Make(kOpcodeText, std::move(text), splice);
}

FramePtr Frame::Binary(std::string payload) {
  return Make(kOpcodeBinary, std::move(payload), kNoSplice);
}

FramePtr Frame::Ping(std::string payload) {
  assert(payload.size() <= kMaxControlPayload);
  return Make(kOpcodePing, std::move(payload), kNoSplice);
}

std::string_view Frame::deflated_wire() const {
  if (text().size() < kDeflateThreshold) return wire_;
  std::call_once(wire_once_, [this] {
    std::string payload;
    if (!DeflateMessage(text(), &payload)) return;
    deflated_wire_.reserve(FrameHeaderSize(payload.size()) + payload.size());
    AppendFrameHeader(static_cast<uint8_t>(wire_[0] & 0x0f), /*rsv1=*/true, payload.size(),
                      &deflated_wire_);
    deflated_wire_.append(payload);
    deflated_wire_.shrink_to_fit();
  });
  return deflated_wire_.empty() ? std::string_view(wire_) : deflated_wire_;
}

const std::string& Frame::DeflatedTail() const {
  if (text().size() >= kDeflateThreshold) {
    std::call_once(tail_once_, [this] {
      std::string tail;
      if (!DeflateMessage(text().substr(splice_), &tail)) return;
      if (StoredSize(splice_) + tail.size() >= text().size()) return;
      tail.shrink_to_fit();
      deflated_tail_ = std::move(tail);
    });
  }
  return deflated_tail_;
}

void Frame::AppendSplicedHead(std::string_view insert, bool deflate, std::string* out) const {
  assert(can_splice());
  const std::string_view prefix = text().substr(0, splice_);
  const uint8_t opcode = static_cast<uint8_t>(wire_[0] & 0x0f);
  if (deflate && !DeflatedTail().empty()) {
    const size_t head = StoredSize(prefix.size() + insert.size());
    AppendFrameHeader(opcode, /*rsv1=*/true, head + deflated_tail_.size(), out);
    AppendStored(prefix, insert, out);
    return;
  }
  AppendFrameHeader(opcode, /*rsv1=*/false, text().size() + insert.size(), out);
  out->append(prefix);
  out->append(insert);
}

std::string_view Frame::spliced_tail(bool deflate) const {
  assert(can_splice());
  if (deflate && !DeflatedTail().empty()) return deflated_tail_;
  return text().substr(splice_);
}

void Frame::AppendSpliced(std::string_view insert, bool deflate, std::string* out) const {
  AppendSplicedHead(insert, deflate, out);
  out->append(spliced_tail(deflate));
}

}  // namespace covet::edge
