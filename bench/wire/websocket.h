#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace covet::bench {

// The few bytes of WebSocket (RFC 6455) that the load program and the floor need, without a library
// whose own cost would show in the measurement. Not for the product: no fragments, no extensions,
// no UTF-8 check.

enum class Opcode : uint8_t { kText = 1, kBinary = 2, kClose = 8, kPing = 9, kPong = 10 };

enum class ParseResult : uint8_t { kFrame, kNeedMore, kBad };

struct FrameView {
  Opcode opcode = Opcode::kText;
  std::string_view payload;  // Into the parsed bytes.
  size_t size = 0;           // Header and payload.
};

// Appends an unmasked frame, as a server sends it.
void AppendServerFrame(Opcode opcode, std::string_view payload, std::string* out);
// Appends a client's frame with a masking key of zero: legal on the wire, and the payload needs no
// second pass.
void AppendClientFrame(Opcode opcode, std::string_view payload, std::string* out);

// Looks at the first frame in `bytes`, which a server sent. Fragments, masks and reserved bits are
// kBad.
ParseResult ParseServerFrame(std::string_view bytes, FrameView* frame);
// The same for a frame that a client sent; unmasks it in place.
ParseResult ParseClientFrame(char* bytes, size_t size, FrameView* frame);

// The value of Sec-WebSocket-Accept for a Sec-WebSocket-Key (RFC 6455 section 4.2.2).
std::string AcceptKey(std::string_view key);

}  // namespace covet::bench
