#include "edge/frame/frame_header.h"

namespace covet::edge {
namespace {

constexpr uint8_t kFin = 0x80;
constexpr uint8_t kRsv1 = 0x40;

void AppendBigEndian(uint64_t value, int bytes, std::string* out) {
  for (int shift = (bytes - 1) * 8; shift >= 0; shift -= 8) {
    out->push_back(static_cast<char>((value >> shift) & 0xff));
  }
}

}  // namespace

size_t FrameHeaderSize(size_t payload_size) {
  if (payload_size < 126) return 2;
  return payload_size <= 0xffff ? 4 : 10;
}

void AppendFrameHeader(uint8_t opcode, bool rsv1, size_t payload_size, std::string* out) {
  out->push_back(static_cast<char>(kFin | (rsv1 ? kRsv1 : 0) | opcode));
  if (payload_size < 126) {
    out->push_back(static_cast<char>(payload_size));
  } else if (payload_size <= 0xffff) {
    out->push_back(126);
    AppendBigEndian(payload_size, 2, out);
  } else {
    out->push_back(127);
    AppendBigEndian(payload_size, 8, out);
  }
}

void AppendPing(std::string_view payload, std::string* out) {
  payload = payload.substr(0, kMaxControlPayload);
  AppendFrameHeader(kOpcodePing, /*rsv1=*/false, payload.size(), out);
  out->append(payload);
}

void AppendClose(uint16_t code, std::string_view reason, std::string* out) {
  size_t size = reason.size();
  if (size > kMaxControlPayload - 2) {
    size = kMaxControlPayload - 2;
    while (size > 0 && (static_cast<uint8_t>(reason[size]) & 0xc0) == 0x80) --size;
  }
  AppendFrameHeader(kOpcodeClose, /*rsv1=*/false, 2 + size, out);
  AppendBigEndian(code, 2, out);
  out->append(reason.substr(0, size));
}

}  // namespace covet::edge
