#include "bench/wire/websocket.h"

#include <openssl/sha.h>

#include <cstring>

#include "absl/strings/escaping.h"

namespace covet::bench {
namespace {

constexpr uint8_t kFin = 0x80;
constexpr uint8_t kMasked = 0x80;
constexpr size_t kMaxPayload = size_t{1} << 30;

void AppendHeader(Opcode opcode, size_t size, uint8_t mask_bit, std::string* out) {
  out->push_back(static_cast<char>(kFin | static_cast<uint8_t>(opcode)));
  int length_bytes = 0;
  if (size < 126) {
    out->push_back(static_cast<char>(mask_bit | size));
  } else if (size <= 0xffff) {
    out->push_back(static_cast<char>(mask_bit | 126));
    length_bytes = 2;
  } else {
    out->push_back(static_cast<char>(mask_bit | 127));
    length_bytes = 8;
  }
  for (int i = length_bytes - 1; i >= 0; --i) {
    out->push_back(static_cast<char>((uint64_t{size} >> (8 * i)) & 0xff));
  }
}

// Reads a header without regard to a mask's four bytes, which follow the length.
ParseResult ParseHeader(std::string_view bytes, bool masked, FrameView* frame, size_t* header_size,
                        size_t* payload_size) {
  if (bytes.size() < 2) return ParseResult::kNeedMore;
  const auto b0 = static_cast<uint8_t>(bytes[0]);
  const auto b1 = static_cast<uint8_t>(bytes[1]);
  if ((b0 & 0xf0) != kFin || ((b1 & kMasked) != 0) != masked) return ParseResult::kBad;
  const uint8_t opcode = b0 & 0x0f;
  if (opcode != 1 && opcode != 2 && (opcode < 8 || opcode > 10)) return ParseResult::kBad;
  size_t size = b1 & 0x7f;
  size_t length_bytes = size == 126 ? 2 : size == 127 ? 8 : 0;
  if (bytes.size() < 2 + length_bytes) return ParseResult::kNeedMore;
  if (length_bytes != 0) {
    size = 0;
    for (size_t i = 0; i < length_bytes; ++i) {
      size = size << 8 | static_cast<uint8_t>(bytes[2 + i]);
    }
  }
  if (size > kMaxPayload) return ParseResult::kBad;
  frame->opcode = static_cast<Opcode>(opcode);
  *header_size = 2 + length_bytes + (masked ? 4 : 0);
  *payload_size = size;
  frame->size = *header_size + size;
  return bytes.size() < frame->size ? ParseResult::kNeedMore : ParseResult::kFrame;
}

}  // namespace

void AppendServerFrame(Opcode opcode, std::string_view payload, std::string* out) {
  AppendHeader(opcode, payload.size(), 0, out);
  out->append(payload);
}

void AppendClientFrame(Opcode opcode, std::string_view payload, std::string* out) {
  AppendHeader(opcode, payload.size(), kMasked, out);
  out->append(4, '\0');
  out->append(payload);
}

ParseResult ParseServerFrame(std::string_view bytes, FrameView* frame) {
  size_t header = 0;
  size_t payload = 0;
  const ParseResult result = ParseHeader(bytes, false, frame, &header, &payload);
  if (result == ParseResult::kFrame) frame->payload = bytes.substr(header, payload);
  return result;
}

ParseResult ParseClientFrame(char* bytes, size_t size, FrameView* frame) {
  size_t header = 0;
  size_t payload = 0;
  const ParseResult result =
      ParseHeader(std::string_view(bytes, size), true, frame, &header, &payload);
  if (result != ParseResult::kFrame) return result;
  char key[4];
  std::memcpy(key, bytes + header - 4, sizeof(key));
  for (size_t i = 0; i < payload; ++i) bytes[header + i] ^= key[i & 3];
  frame->payload = std::string_view(bytes + header, payload);
  return result;
}

std::string AcceptKey(std::string_view key) {
  const std::string input = std::string(key) + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  unsigned char digest[SHA_DIGEST_LENGTH];
  SHA1(reinterpret_cast<const unsigned char*>(input.data()), input.size(), digest);
  return absl::Base64Escape(std::string(reinterpret_cast<const char*>(digest), sizeof(digest)));
}

}  // namespace covet::bench
