#pragma once

#include <simdjson.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "common/payload/json_scanner.h"
#include "edge/codec/client_messages.h"
#include "edge/codec/envelope.h"

// Internal to the codec: reads fields of a frame that ScanJson has found valid, and words what is
// wrong with them. Functions return false once `error` is set. Paths are literals such as
// "data.room_id".
namespace covet::edge::codec {

namespace ondemand = simdjson::ondemand;

// Holds the padded copy of a frame and the strings that had to be unescaped.
class FrameBuffer {
 public:
  // Copies `frame`; views into the one before end.
  simdjson::padded_string_view Load(std::string_view frame);
  // The text of the JSON string `quoted` (with quotes, from the loaded frame): a view of it where
  // nothing is escaped. False for an escape of a lone surrogate, which no text can hold.
  bool Unescape(std::string_view quoted, std::string_view* text);
  // Like Unescape, but the view ends with the next call of either.
  bool UnescapeBriefly(std::string_view quoted, std::string_view* text);

  ondemand::parser& parser() { return parser_; }

 private:
  void Reserve(size_t size);

  ondemand::parser parser_;
  std::unique_ptr<char[]> frame_;
  // All that is unescaped and kept comes from different parts of the frame, so a frame's size
  // bounds it.
  std::unique_ptr<uint8_t[]> strings_;
  uint8_t* strings_end_ = nullptr;
  size_t capacity_ = 0;
};

// A scalar's text as it was sent, or the first character of an array or object. Reading it does not
// consume the value, which On-Demand then skips by itself.
struct Token {
  explicit Token(std::string_view raw);
  Token(ondemand::value& value) : Token(value.raw_json_token()) {}  // NOLINT: meant to convert.
  payload::JsonKind kind() const { return payload::JsonKindOf(text.front()); }
  std::string_view text;
};

// A field that an object may have, and what it holds, in an error's words.
struct FieldSpec {
  std::string_view name;
  std::string_view type;
};

class FieldReader {
 public:
  FieldReader(FrameBuffer* buffer, const DecodeLimits* limits, DecodeError* error)
      : buffer_(*buffer), limits_(*limits), error_(*error) {}

  const DecodeLimits& limits() const { return limits_; }

  // Calls `on_field(index, ondemand::value&)` for each field of `object` that is in `fields` (at
  // most 32), until it returns false. `fields` begins with the `required` ones. `path` is the
  // object's own, empty for the frame's.
  template <typename OnField>
  bool Each(ondemand::object object, std::string_view path, std::span<const FieldSpec> fields,
            size_t required, OnField&& on_field);

  bool Object(ondemand::value& value, std::string_view path, ondemand::object* out);
  bool Array(ondemand::value& value, std::string_view path, ondemand::array* out);
  bool Bool(Token token, std::string_view path, bool* out);
  // A number without a fraction (2.0 and 2e3 have none) from `min` to `max`, both within ±2^53.
  bool Integer(Token token, std::string_view path, int64_t min, int64_t max, int64_t* out);
  bool Integer32(Token token, std::string_view path, int32_t min, int32_t max, int32_t* out);
  // Of `min` to `max` characters (code points).
  bool String(Token token, std::string_view path, size_t min, size_t max, std::string_view* out);
  // [A-Za-z0-9._:@-]{1,128}
  bool Name(Token token, std::string_view path, std::string_view* out);
  // An id that the client chose: 1 to 128 characters.
  bool Id(Token token, std::string_view path, std::string_view* out);
  // 64 hex digits.
  bool Sha256(Token token, std::string_view path, std::string_view* out);
  // The index in `words` of a string that must be one of them; `expected` lists them for people.
  // Other strings fail with `code`.
  bool OneOf(Token token, std::string_view path, std::span<const std::string_view> words,
             std::string_view expected, ErrorCode code, size_t* index);
  // The value as it was sent, at most `max_bytes` long.
  bool Raw(ondemand::value& value, std::string_view path, size_t max_bytes, std::string_view* out);
  bool RawObject(ondemand::value& value, std::string_view path, size_t max_bytes,
                 std::string_view* out);
  // The whole text of a string, whatever its length.
  bool Text(Token token, std::string_view path, std::string_view* out);
  // The name of a field that is not known beforehand.
  bool FieldName(ondemand::field& field, std::string_view path, std::string_view* out);

  // Sets the error; returns false.
  bool Fail(ErrorCode code, std::string_view path, std::string_view expected,
            std::string_view received);
  bool WrongType(std::string_view path, std::string_view expected, Token token);
  // For a value of the right type: `received` shows it, cut to a bearable length.
  bool WrongValue(std::string_view path, std::string_view expected, Token token,
                  ErrorCode code = ErrorCode::kInvalidMessageFormat);
  bool Missing(std::string_view path, const FieldSpec& field);
  bool TooLarge(std::string_view path, size_t max_bytes, size_t bytes);
  // For what only a bug can cause, since the frame is valid JSON.
  bool Broken();

  DecodeError& error() { return error_; }

 private:
  // The index in `fields` of the field's name, or fields.size().
  size_t Find(ondemand::field& field, std::span<const FieldSpec> fields);
  bool Twice(std::string_view path, std::string_view name);

  FrameBuffer& buffer_;
  const DecodeLimits& limits_;
  DecodeError& error_;
};

// `path` and `name` with a dot between, unless `path` is empty.
std::string JoinPath(std::string_view path, std::string_view name);

// The largest integer that every JSON parser carries exactly.
inline constexpr int64_t kMaxInteger = (int64_t{1} << 53) - 1;
// How many records `history` may ask for.
inline constexpr int32_t kMaxHistory = 10'000;
inline constexpr size_t kMaxFilterTerms = 32;

// `data.options.resume`.
bool ReadResume(FieldReader& in, ondemand::value& value, std::optional<ResumePoint>* out);

// Each decodes the `data` of one type.
bool DecodeBody(FieldReader& in, ondemand::object data, HeartbeatMessage* out);
bool DecodeBody(FieldReader& in, ondemand::object data, JoinRoomMessage* out);
bool DecodeBody(FieldReader& in, ondemand::object data, LeaveRoomMessage* out);
bool DecodeBody(FieldReader& in, ondemand::object data, RoomMessage* out);
bool DecodeBody(FieldReader& in, ondemand::object data, SubscribeMessage* out);
bool DecodeBody(FieldReader& in, ondemand::object data, UnsubscribeMessage* out);
bool DecodeBody(FieldReader& in, ondemand::object data, RpcCallMessage* out);
bool DecodeBody(FieldReader& in, ondemand::object data, RpcCancelMessage* out);
bool DecodeBody(FieldReader& in, ondemand::object data, NotificationAckMessage* out);
bool DecodeBody(FieldReader& in, ondemand::object data, AuthRefreshMessage* out);
bool DecodeBody(FieldReader& in, ondemand::object data, FileUploadStartMessage* out);
// Requires `data.data`, or refuses it if `out->raw` is set.
bool DecodeBody(FieldReader& in, ondemand::object data, FileChunkMessage* out);
bool DecodeBody(FieldReader& in, ondemand::object data, FileUploadResumeMessage* out);
bool DecodeBody(FieldReader& in, ondemand::object data, FileUploadCancelMessage* out);

template <typename OnField>
bool FieldReader::Each(ondemand::object object, std::string_view path,
                       std::span<const FieldSpec> fields, size_t required, OnField&& on_field) {
  uint32_t seen = 0;
  for (auto result : object) {
    ondemand::field field;
    if (std::move(result).get(field) != simdjson::SUCCESS) return Broken();
    const size_t index = Find(field, fields);
    if (index == fields.size()) continue;
    const uint32_t bit = uint32_t{1} << index;
    if (seen & bit) return Twice(path, fields[index].name);
    seen |= bit;
    ondemand::value value = field.value();
    if (!on_field(index, value)) return false;
  }
  for (size_t i = 0; i < required; ++i) {
    if (!(seen & (uint32_t{1} << i))) return Missing(path, fields[i]);
  }
  return true;
}

}  // namespace covet::edge::codec
