#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace covet::payload {

// Why a text is not JSON.
enum class JsonError : uint8_t {
  kNone,
  kUnexpectedEnd,
  kUnexpectedCharacter,
  kTrailingData,
  kBadLiteral,
  kBadNumber,
  kBadEscape,
  kControlCharacter,
  kBadUtf8,
  kTooDeep,
};

// For people, e.g. "unexpected character".
std::string_view JsonErrorText(JsonError error);

enum class JsonKind : uint8_t { kObject, kArray, kString, kNumber, kBoolean, kNull };

// The JSON name of the type: "object", "array", "string", "number", "boolean", "null".
std::string_view JsonKindName(JsonKind kind);

// What a value that begins with `first` is, in valid JSON.
JsonKind JsonKindOf(char first);

struct JsonScanResult {
  JsonError error = JsonError::kNone;
  JsonKind kind = JsonKind::kNull;  // Of the whole text; meaningful where it is valid.
  size_t offset = 0;                // In bytes: where the error is, or the text's size.
  bool ok() const { return error == JsonError::kNone; }
};

inline constexpr int kDefaultJsonDepth = 64;
inline constexpr int kMaxJsonDepth = 1024;

// Checks that `text` is one JSON value after RFC 8259, in UTF-8 after RFC 3629, with arrays and
// objects nested at most `max_depth` deep (clamped to 0 … kMaxJsonDepth). Whitespace may surround
// it; a byte order mark may not. What the grammar allows and parsers may stumble over passes, for
// it travels as text: numbers of any size, escapes of lone surrogates, repeated keys. One pass, no
// recursion, no allocation. Thread-safe.
JsonScanResult ScanJson(std::string_view text, int max_depth = kDefaultJsonDepth);

// A member of an object, as its text has it.
struct JsonMember {
  std::string_view name;   // What is between the quotes: escapes are still escapes.
  std::string_view value;  // Without whitespace around it.
};

// As ScanJson, and tells the members of the outermost object, in their order, repeated ones too.
// `members` is replaced; it is empty where the text is not an object, and of no use where it is not
// valid. Views point into `text`.
JsonScanResult ScanJsonMembers(std::string_view text, std::vector<JsonMember>* members,
                               int max_depth = kDefaultJsonDepth);

}  // namespace covet::payload
