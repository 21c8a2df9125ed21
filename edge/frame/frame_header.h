#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace covet::edge {

// Opcodes of RFC 6455 section 5.2.
inline constexpr uint8_t kOpcodeText = 0x1;
inline constexpr uint8_t kOpcodeBinary = 0x2;
inline constexpr uint8_t kOpcodeClose = 0x8;
inline constexpr uint8_t kOpcodePing = 0x9;
inline constexpr uint8_t kOpcodePong = 0xa;

// A control frame's payload has at most this many bytes (RFC 6455 section 5.5).
inline constexpr size_t kMaxControlPayload = 125;

// Bytes of the header of an unmasked frame.
size_t FrameHeaderSize(size_t payload_size);
// Appends the header of one final, unmasked frame.
void AppendFrameHeader(uint8_t opcode, bool rsv1, size_t payload_size, std::string* out);

// Appends a whole ping; what goes beyond kMaxControlPayload is cut.
void AppendPing(std::string_view payload, std::string* out);
// Appends a whole close frame; a reason beyond 123 bytes is cut at a UTF-8 boundary.
void AppendClose(uint16_t code, std::string_view reason, std::string* out);

}  // namespace covet::edge
