#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "common/payload/json_scanner.h"
#include "common/payload/json_writer.h"
#include "edge/codec/envelope.h"

// Any bytes as a text frame and as a binary frame. What is accepted must hold to what the header
// promises.
namespace {

void Require(bool condition) {
  if (!condition) std::abort();
}

// Quoting replaces what is not UTF-8, so a text that survives it unchanged is.
bool IsUtf8(std::string_view text) {
  std::string quoted;
  covet::payload::AppendQuoted(&quoted, text);
  return quoted.find("\xEF\xBF\xBD") == std::string::npos || text.find("\xEF\xBF\xBD") != text.npos;
}

bool IsSha256(std::string_view text) {
  return text.size() == 64 &&
         text.find_first_not_of("0123456789abcdefABCDEF") == std::string_view::npos;
}

void CheckAccepted(const covet::edge::ClientMessage& message) {
  using covet::payload::ScanJson;
  Require(!message.id.empty() && message.id.size() <= 4 * 128 && IsUtf8(message.id));
  Require(IsUtf8(message.correlation_id));
  Require(message.ttl_ms >= 0);
  if (const auto* room = std::get_if<covet::edge::RoomMessage>(&message.body)) {
    Require(ScanJson(room->payload).ok() && !room->room_id.empty() && !room->event_type.empty());
  } else if (const auto* call = std::get_if<covet::edge::RpcCallMessage>(&message.body)) {
    const auto scan = ScanJson(call->params);
    Require(scan.ok() && scan.kind == covet::payload::JsonKind::kObject && IsUtf8(call->method));
  } else if (const auto* subscribe = std::get_if<covet::edge::SubscribeMessage>(&message.body)) {
    for (const auto& term : subscribe->filters.fields) Require(ScanJson(term.operand).ok());
    for (const auto tag : subscribe->filters.tags) Require(IsUtf8(tag));
  } else if (const auto* start = std::get_if<covet::edge::FileUploadStartMessage>(&message.body)) {
    Require(start->metadata.empty() || ScanJson(start->metadata).ok());
    Require(IsUtf8(start->filename) && IsUtf8(start->mimetype));
    Require(start->size >= 0 && start->chunk_size > 0);
    Require(start->sha256.empty() || IsSha256(start->sha256));
  } else if (const auto* chunk = std::get_if<covet::edge::FileChunkMessage>(&message.body)) {
    constexpr size_t kMaxChunk = 512 * 1024;
    Require(!chunk->upload_id.empty() && IsUtf8(chunk->upload_id));
    Require(chunk->chunk_index >= 0 && IsSha256(chunk->checksum));
    Require(chunk->data.size() <= (chunk->raw ? kMaxChunk : (kMaxChunk + 2) / 3 * 4));
  }
}

void CheckRefused(const covet::edge::DecodeError& error) {
  Require(!error.message.empty() && !error.field.empty() && !error.expected.empty());
  Require(!error.received.empty() && IsUtf8(error.received) && IsUtf8(error.field));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static covet::edge::Decoder decoder;
  static covet::edge::ClientMessage message;
  static covet::edge::DecodeError error;
  const std::string_view frame(reinterpret_cast<const char*>(data), size);
  if (decoder.Decode(frame, &message, &error)) {
    Require(covet::payload::ScanJson(frame).ok());
    CheckAccepted(message);
  } else {
    CheckRefused(error);
  }
  if (decoder.DecodeBinary(frame, &message, &error)) {
    CheckAccepted(message);
  } else {
    CheckRefused(error);
  }
  return 0;
}
