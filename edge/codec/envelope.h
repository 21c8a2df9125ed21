#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "common/errors/error.h"
#include "edge/codec/client_messages.h"

namespace covet::edge {

// What a client may send, in bytes unless said otherwise. The frame itself is bounded by the
// transport.
struct DecodeLimits {
  int json_depth = 64;  // Levels, at most 1024.
  size_t room_payload = 64 * 1024;
  size_t rpc_params = 1024 * 1024;
  size_t chunk = 512 * 1024;  // Of the chunk itself, before base64.
};

// Why a frame was refused, as the specification's example of `error` shows it.
struct DecodeError {
  ErrorCode code = ErrorCode::kInvalidMessageFormat;
  std::string message;
  std::string_view type;       // The message's, empty where it could not be read; static text.
  std::string original_id;     // The message's id; empty where it could not be read.
  std::string correlation_id;  // Likewise, of its metadata.
  std::string field;           // A path, e.g. `data.resource_id`; `$` for the frame as a whole.
  std::string expected;        // e.g. `string`.
  std::string received;  // The type of what came, `missing`, or the value where its type was right.
  std::string reason;    // `details.reason`, e.g. BAD_FILTER; mostly empty.

  ErrorDetails Details() const;
};

// Decodes what clients send. A frame is first checked in full as JSON (payload::ScanJson), so
// nothing in a carried payload can be anything but valid; then its fields are read with simdjson
// On-Demand. Unknown fields are ignored. A known field that comes twice in one object is refused:
// which one counts differs between JSON parsers, and a message must not mean two things. `null` is
// a value of its own type, not an absent field.
//
// Owns the buffers its messages point into. Not thread-safe; one per thread.
class Decoder {
 public:
  explicit Decoder(const DecodeLimits& limits = {});
  ~Decoder();
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;

  // Decodes one text frame. False with `error` set if it is refused; then `message` holds nothing
  // of use.
  [[nodiscard]] bool Decode(std::string_view frame, ClientMessage* message, DecodeError* error);

  // Decodes one binary frame: a big-endian 4-byte length, that many bytes (at most 4 KiB) of a
  // `file_chunk` envelope without `data.data`, then the chunk's bytes, which FileChunkMessage::data
  // views in `frame` itself.
  [[nodiscard]] bool DecodeBinary(std::string_view frame, ClientMessage* message,
                                  DecodeError* error);

  // For a reload of the configuration.
  void set_limits(const DecodeLimits& limits);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace covet::edge
