#pragma once

#include <string>
#include <string_view>

#include "common/payload/byte_skip.h"
#include "common/payload/json_scanner.h"

// Internal to protojson.
namespace covet::protojson::internal {

// Walks over a text that ScanJson has found valid, and so checks nothing itself. Between its calls
// it stands on the first character of a value, a key, or what follows a value.
class JsonCursor {
 public:
  explicit JsonCursor(std::string_view json) : p_(json.data()), end_(p_ + json.size()) {
    SkipSpace();
  }

  char peek() const { return *p_; }
  payload::JsonKind kind() const { return payload::JsonKindOf(*p_); }

  // Enters an object or array; false if it is empty, and behind it then.
  bool Enter() {
    ++p_;
    SkipSpace();
    if (*p_ != '}' && *p_ != ']') return true;
    Advance();
    return false;
  }
  // After a value within an object or array: true at the next key or value, false behind the end.
  bool Next() {
    const bool more = *p_ == ',';
    Advance();
    return more;
  }
  // From a key to its value. `raw` is the key between its quotes.
  void Key(std::string_view* raw, bool* escaped) {
    String(raw, escaped);
    Advance();
  }
  // Takes a string.
  void String(std::string_view* raw, bool* escaped) {
    const char* const begin = ++p_;
    *escaped = false;
    for (;;) {
      p_ = reinterpret_cast<const char*>(payload::SkipPlainRun(
          reinterpret_cast<const uint8_t*>(p_), reinterpret_cast<const uint8_t*>(end_)));
      if (*p_ == '"') break;
      if (*p_ == '\\') {
        *escaped = true;
        ++p_;
      }
      ++p_;
    }
    *raw = {begin, static_cast<size_t>(p_ - begin)};
    Advance();
  }
  // Takes a number, true, false or null.
  std::string_view Scalar() {
    const char* const begin = p_;
    while (p_ != end_ && !EndsScalar(*p_)) ++p_;
    const std::string_view text(begin, static_cast<size_t>(p_ - begin));
    SkipSpace();
    return text;
  }
  // Takes any value; the view is of its text.
  std::string_view Skip() {
    const char* const begin = p_;
    const char* value_end = p_;
    size_t depth = 0;
    do {
      switch (*p_) {
        case '"': {
          std::string_view raw;
          bool escaped;
          String(&raw, &escaped);
          value_end = raw.data() + raw.size() + 1;
          break;
        }
        case '{':
        case '[':
          ++depth;
          Advance();
          break;
        case '}':
        case ']':
          --depth;
          value_end = p_ + 1;
          Advance();
          break;
        case ',':
        case ':':
          Advance();
          break;
        default: {
          const std::string_view scalar = Scalar();
          value_end = scalar.data() + scalar.size();
        }
      }
    } while (depth > 0);
    return {begin, static_cast<size_t>(value_end - begin)};
  }

 private:
  static bool EndsScalar(char c) {
    return c == ',' || c == '}' || c == ']' || static_cast<unsigned char>(c) <= ' ';
  }
  void SkipSpace() {
    while (p_ != end_ && static_cast<unsigned char>(*p_) <= ' ') ++p_;
  }
  void Advance() {
    ++p_;
    SkipSpace();
  }

  const char* p_;
  const char* end_;
};

// Appends the text of a valid JSON string's inside. False for an escape of a lone surrogate, which
// no UTF-8 holds.
bool Unescape(std::string_view raw, std::string* out);

}  // namespace covet::protojson::internal
