#include "edge/codec/field_reader.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>

namespace covet::edge::codec {
namespace {

using payload::JsonKind;

// How much of a bad value an error shows.
constexpr size_t kShownBytes = 64;

std::string Shown(std::string_view text) {
  if (text.size() <= kShownBytes) return std::string(text);
  size_t cut = kShownBytes;
  while (cut > 0 && (static_cast<uint8_t>(text[cut]) & 0xC0) == 0x80) --cut;
  return std::string(text.substr(0, cut)) + "…";
}

size_t CountCharacters(std::string_view text) {
  return static_cast<size_t>(std::count_if(
      text.begin(), text.end(), [](char c) { return (static_cast<uint8_t>(c) & 0xC0) != 0x80; }));
}

std::string_view TrimEnd(std::string_view text) {
  while (!text.empty() && static_cast<uint8_t>(text.back()) <= ' ') text.remove_suffix(1);
  return text;
}

bool IsNameCharacter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
         c == '_' || c == ':' || c == '@' || c == '-';
}

bool IsHexDigit(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

// A JSON number that is an integer within ±2^53.
bool ParseInteger(std::string_view number, int64_t* out) {
  constexpr int64_t kExact = int64_t{1} << 53;
  const char* const end = number.data() + number.size();
  const auto integer = std::from_chars(number.data(), end, *out);
  if (integer.ec == std::errc() && integer.ptr == end) return *out >= -kExact && *out <= kExact;
  double real = 0;
  const auto parsed = std::from_chars(number.data(), end, real);
  if (parsed.ec != std::errc() || parsed.ptr != end || std::trunc(real) != real ||
      std::abs(real) > static_cast<double>(kExact)) {
    return false;
  }
  *out = static_cast<int64_t>(real);
  return true;
}

}  // namespace

std::string JoinPath(std::string_view path, std::string_view name) {
  std::string joined(path);
  if (!joined.empty()) joined.push_back('.');
  return joined.append(name);
}

void FrameBuffer::Reserve(size_t size) {
  if (size <= capacity_) return;
  capacity_ = std::max(size, capacity_ * 2);
  frame_ = std::make_unique_for_overwrite<char[]>(capacity_ + simdjson::SIMDJSON_PADDING);
  strings_ = std::make_unique_for_overwrite<uint8_t[]>(capacity_ + simdjson::SIMDJSON_PADDING);
}

simdjson::padded_string_view FrameBuffer::Load(std::string_view frame) {
  constexpr size_t kFirstCapacity = 4096;
  Reserve(std::max(frame.size(), kFirstCapacity));
  std::memcpy(frame_.get(), frame.data(), frame.size());
  std::memset(frame_.get() + frame.size(), ' ', simdjson::SIMDJSON_PADDING);
  strings_end_ = strings_.get();
  return simdjson::padded_string_view(frame_.get(), frame.size(),
                                      frame.size() + simdjson::SIMDJSON_PADDING);
}

bool FrameBuffer::Unescape(std::string_view quoted, std::string_view* text) {
  *text = quoted.substr(1, quoted.size() - 2);
  if (std::memchr(text->data(), '\\', text->size()) == nullptr) return true;
  const ondemand::raw_json_string raw(reinterpret_cast<const uint8_t*>(text->data()));
  return parser_.unescape(raw, strings_end_).get(*text) == simdjson::SUCCESS;
}

bool FrameBuffer::UnescapeBriefly(std::string_view quoted, std::string_view* text) {
  uint8_t* const kept = strings_end_;
  const bool ok = Unescape(quoted, text);
  strings_end_ = kept;
  return ok;
}

Token::Token(std::string_view raw) : text(TrimEnd(raw)) {}

bool FieldReader::Object(ondemand::value& value, std::string_view path, ondemand::object* out) {
  const Token token(value);
  if (token.kind() != JsonKind::kObject) return WrongType(path, "object", token);
  return value.get_object().get(*out) == simdjson::SUCCESS || Broken();
}

bool FieldReader::Array(ondemand::value& value, std::string_view path, ondemand::array* out) {
  const Token token(value);
  if (token.kind() != JsonKind::kArray) return WrongType(path, "array", token);
  return value.get_array().get(*out) == simdjson::SUCCESS || Broken();
}

bool FieldReader::Bool(Token token, std::string_view path, bool* out) {
  if (token.kind() != JsonKind::kBoolean) return WrongType(path, "boolean", token);
  *out = token.text == "true";
  return true;
}

bool FieldReader::Integer(Token token, std::string_view path, int64_t min, int64_t max,
                          int64_t* out) {
  if (token.kind() != JsonKind::kNumber) return WrongType(path, "integer", token);
  if (ParseInteger(token.text, out) && *out >= min && *out <= max) return true;
  return WrongValue(path, "integer from " + std::to_string(min) + " to " + std::to_string(max),
                    token);
}

bool FieldReader::Integer32(Token token, std::string_view path, int32_t min, int32_t max,
                            int32_t* out) {
  int64_t wide = 0;
  if (!Integer(token, path, min, max, &wide)) return false;
  *out = static_cast<int32_t>(wide);
  return true;
}

bool FieldReader::Text(Token token, std::string_view path, std::string_view* out) {
  if (token.kind() != JsonKind::kString) return WrongType(path, "string", token);
  if (buffer_.Unescape(token.text, out)) return true;
  return Fail(ErrorCode::kInvalidMessageFormat, path, "string of Unicode characters",
              "string with a lone surrogate");
}

bool FieldReader::String(Token token, std::string_view path, size_t min, size_t max,
                         std::string_view* out) {
  if (!Text(token, path, out)) return false;
  if (out->size() >= min && out->size() <= max) return true;  // No more characters than bytes.
  const size_t characters = CountCharacters(*out);
  if (characters >= min && characters <= max) return true;
  // Not the value itself: it may be a secret.
  return Fail(ErrorCode::kInvalidMessageFormat, path,
              "string of " + std::to_string(min) + " to " + std::to_string(max) + " characters",
              "string of " + std::to_string(characters) + " characters");
}

bool FieldReader::Name(Token token, std::string_view path, std::string_view* out) {
  if (!Text(token, path, out)) return false;
  if (!out->empty() && out->size() <= 128 &&
      std::all_of(out->begin(), out->end(), IsNameCharacter)) {
    return true;
  }
  return WrongValue(path, "string of 1 to 128 characters from A-Z a-z 0-9 . _ : @ -", token);
}

bool FieldReader::Id(Token token, std::string_view path, std::string_view* out) {
  return String(token, path, 1, 128, out);
}

bool FieldReader::Sha256(Token token, std::string_view path, std::string_view* out) {
  if (!Text(token, path, out)) return false;
  if (out->size() == 64 && std::all_of(out->begin(), out->end(), IsHexDigit)) return true;
  return WrongValue(path, "SHA-256 in 64 hex digits", token);
}

bool FieldReader::OneOf(Token token, std::string_view path, std::span<const std::string_view> words,
                        std::string_view expected, ErrorCode code, size_t* index) {
  std::string_view text;
  if (!Text(token, path, &text)) return false;
  const auto found = std::find(words.begin(), words.end(), text);
  if (found == words.end()) return WrongValue(path, expected, token, code);
  *index = static_cast<size_t>(found - words.begin());
  return true;
}

bool FieldReader::Raw(ondemand::value& value, std::string_view path, size_t max_bytes,
                      std::string_view* out) {
  const Token token(value);
  ondemand::object object;
  ondemand::array array;
  if (token.kind() == JsonKind::kObject) {
    if (value.get_object().get(object) != simdjson::SUCCESS ||
        object.raw_json().get(*out) != simdjson::SUCCESS) {
      return Broken();
    }
    *out = TrimEnd(*out);
  } else if (token.kind() == JsonKind::kArray) {
    if (value.get_array().get(array) != simdjson::SUCCESS ||
        array.raw_json().get(*out) != simdjson::SUCCESS) {
      return Broken();
    }
    *out = TrimEnd(*out);
  } else {
    *out = token.text;
  }
  return out->size() <= max_bytes || TooLarge(path, max_bytes, out->size());
}

bool FieldReader::RawObject(ondemand::value& value, std::string_view path, size_t max_bytes,
                            std::string_view* out) {
  const Token token(value);
  if (token.kind() != JsonKind::kObject) return WrongType(path, "object", token);
  return Raw(value, path, max_bytes, out);
}

bool FieldReader::FieldName(ondemand::field& field, std::string_view path, std::string_view* out) {
  const char* const begin = field.key().raw();
  const char* end = begin;
  // The frame is valid JSON, so the name has an end.
  while (*end != '"') end += *end == '\\' ? 2 : 1;
  if (buffer_.Unescape(std::string_view(begin - 1, static_cast<size_t>(end - begin) + 2), out))
    return true;
  return Fail(ErrorCode::kInvalidMessageFormat, path, "field names of Unicode characters",
              "a name with a lone surrogate");
}

size_t FieldReader::Find(ondemand::field& field, std::span<const FieldSpec> fields) {
  const char* const key = field.key().raw();
  for (size_t i = 0; i < fields.size(); ++i) {
    const std::string_view name = fields[i].name;
    // Reads at most a name's length beyond the frame, which the padding covers.
    if (key[name.size()] == '"' && std::memcmp(key, name.data(), name.size()) == 0) return i;
  }
  const char* end = key;
  bool escaped = false;
  while (*end != '"') {
    escaped |= *end == '\\';
    end += *end == '\\' ? 2 : 1;
  }
  if (!escaped) return fields.size();
  std::string_view name;
  // A name with a lone surrogate is none that is known.
  if (!buffer_.UnescapeBriefly(std::string_view(key - 1, static_cast<size_t>(end - key) + 2),
                               &name)) {
    return fields.size();
  }
  const auto found = std::find_if(fields.begin(), fields.end(),
                                  [name](const FieldSpec& field) { return field.name == name; });
  return static_cast<size_t>(found - fields.begin());
}

bool FieldReader::Fail(ErrorCode code, std::string_view path, std::string_view expected,
                       std::string_view received) {
  error_.code = code;
  switch (code) {
    case ErrorCode::kMessageTooLarge:
      error_.message = "Message is too large";
      break;
    case ErrorCode::kSubscriptionFailed:
      error_.message = "Filter is not usable";
      error_.reason = "BAD_FILTER";
      break;
    default:
      error_.message = "Message format is invalid";
  }
  error_.field = path;
  error_.expected = expected;
  error_.received = received;
  return false;
}

bool FieldReader::WrongType(std::string_view path, std::string_view expected, Token token) {
  return Fail(ErrorCode::kInvalidMessageFormat, path, expected,
              payload::JsonKindName(token.kind()));
}

bool FieldReader::WrongValue(std::string_view path, std::string_view expected, Token token,
                             ErrorCode code) {
  return Fail(code, path, expected, Shown(token.text));
}

bool FieldReader::TooLarge(std::string_view path, size_t max_bytes, size_t bytes) {
  return Fail(ErrorCode::kMessageTooLarge, path, "at most " + std::to_string(max_bytes) + " bytes",
              std::to_string(bytes) + " bytes");
}

bool FieldReader::Missing(std::string_view path, const FieldSpec& field) {
  return Fail(ErrorCode::kInvalidMessageFormat, JoinPath(path, field.name), field.type, "missing");
}

bool FieldReader::Twice(std::string_view path, std::string_view name) {
  return Fail(ErrorCode::kInvalidMessageFormat, JoinPath(path, name), "one value",
              "the same field twice");
}

bool FieldReader::Broken() {
  return Fail(ErrorCode::kInvalidMessageFormat, "$", "valid JSON", "text that cannot be read");
}

}  // namespace covet::edge::codec
