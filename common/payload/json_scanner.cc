#include "common/payload/json_scanner.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "common/payload/byte_skip.h"
#include "common/payload/utf8.h"

namespace covet::payload {
namespace {

bool IsDigit(uint8_t c) { return static_cast<uint8_t>(c - '0') < 10; }

bool IsHexDigit(uint8_t c) { return IsDigit(c) || static_cast<uint8_t>((c | 0x20) - 'a') < 6; }

// One scan. Each step leaves `p_` behind what it took, or on the error.
template <bool kTellMembers>
class Scanner {
 public:
  Scanner(std::string_view text, int max_depth, std::vector<JsonMember>* members = nullptr)
      : members_(members),
        begin_(reinterpret_cast<const uint8_t*>(text.data())),
        p_(begin_),
        end_(begin_ + text.size()),
        max_depth_(max_depth) {}

  JsonScanResult Run() {
    JsonScanResult result;
    result.error = Document();
    result.offset = static_cast<size_t>(p_ - begin_);
    result.kind = kind_;
    return result;
  }

 private:
  JsonError Document() {
    SkipSpace();
    if (p_ == end_) return JsonError::kUnexpectedEnd;
    kind_ = JsonKindOf(static_cast<char>(*p_));
    for (;;) {
      // Here a value must begin.
      bool opened = false;
      if (const JsonError error = BeginValue(&opened); error != JsonError::kNone) return error;
      if (opened) continue;
      // A value has ended: close what ends with it, until a comma leads to the next value.
      for (;;) {
        if constexpr (kTellMembers) {
          if (InMember()) members_->back().value = TextFrom(value_);
        }
        SkipSpace();
        if (depth_ == 0) return p_ == end_ ? JsonError::kNone : JsonError::kTrailingData;
        if (p_ == end_) return JsonError::kUnexpectedEnd;
        if (*p_ == ',') {
          ++p_;
          SkipSpace();
          if (in_object_) {
            if (const JsonError error = Key(); error != JsonError::kNone) return error;
          }
          break;
        }
        if (*p_ != (in_object_ ? '}' : ']')) return JsonError::kUnexpectedCharacter;
        ++p_;
        Pop();
      }
    }
  }

  // Takes a scalar, an empty array or object, or the opening of one up to its first value; then
  // `*opened`.
  JsonError BeginValue(bool* opened) {
    if (p_ == end_) return JsonError::kUnexpectedEnd;
    switch (*p_) {
      case '"':
        return String();
      case '{':
        if (depth_ == max_depth_) return JsonError::kTooDeep;
        ++p_;
        SkipSpace();
        if (p_ != end_ && *p_ == '}') {
          ++p_;
          return JsonError::kNone;
        }
        Push(true);
        *opened = true;
        return Key();
      case '[':
        if (depth_ == max_depth_) return JsonError::kTooDeep;
        ++p_;
        SkipSpace();
        if (p_ != end_ && *p_ == ']') {
          ++p_;
          return JsonError::kNone;
        }
        Push(false);
        *opened = true;
        return JsonError::kNone;
      case 't':
        return Literal("true");
      case 'f':
        return Literal("false");
      case 'n':
        return Literal("null");
      case '-':
      case '0':
      case '1':
      case '2':
      case '3':
      case '4':
      case '5':
      case '6':
      case '7':
      case '8':
      case '9':
        return Number();
      default:
        return JsonError::kUnexpectedCharacter;
    }
  }

  // A key and its colon, up to the value.
  JsonError Key() {
    if (p_ == end_) return JsonError::kUnexpectedEnd;
    if (*p_ != '"') return JsonError::kUnexpectedCharacter;
    const uint8_t* const name = p_ + 1;
    if (const JsonError error = String(); error != JsonError::kNone) return error;
    if constexpr (kTellMembers) {
      if (InMember()) {
        const std::string_view quoted = TextFrom(name);
        members_->push_back({quoted.substr(0, quoted.size() - 1), {}});
      }
    }
    SkipSpace();
    if (p_ == end_) return JsonError::kUnexpectedEnd;
    if (*p_ != ':') return JsonError::kUnexpectedCharacter;
    ++p_;
    SkipSpace();
    if constexpr (kTellMembers) {
      if (InMember()) value_ = p_;
    }
    return JsonError::kNone;
  }

  bool InMember() const { return depth_ == 1 && in_object_; }

  std::string_view TextFrom(const uint8_t* from) const {
    return {reinterpret_cast<const char*>(from), static_cast<size_t>(p_ - from)};
  }

  JsonError String() {
    ++p_;
    for (;;) {
      p_ = SkipPlainRun(p_, end_);
      if (p_ == end_) return JsonError::kUnexpectedEnd;
      const uint8_t c = *p_;
      if (c == '"') {
        ++p_;
        return JsonError::kNone;
      }
      if (c == '\\') {
        if (const JsonError error = Escape(); error != JsonError::kNone) return error;
      } else if (c < 0x20) {
        return JsonError::kControlCharacter;
      } else {
        // Text beyond ASCII comes in runs.
        do {
          const size_t length = Utf8SequenceLength(p_, end_);
          if (length == 0) return JsonError::kBadUtf8;
          p_ += length;
        } while (p_ != end_ && *p_ >= 0x80);
      }
    }
  }

  JsonError Escape() {
    if (end_ - p_ < 2) return Fail(JsonError::kUnexpectedEnd, end_);
    switch (p_[1]) {
      case '"':
      case '\\':
      case '/':
      case 'b':
      case 'f':
      case 'n':
      case 'r':
      case 't':
        p_ += 2;
        return JsonError::kNone;
      case 'u':
        for (int i = 2; i < 6; ++i) {
          if (p_ + i == end_) return Fail(JsonError::kUnexpectedEnd, end_);
          if (!IsHexDigit(p_[i])) return JsonError::kBadEscape;
        }
        p_ += 6;
        return JsonError::kNone;
      default:
        return JsonError::kBadEscape;
    }
  }

  JsonError Number() {
    if (*p_ == '-') ++p_;
    if (p_ != end_ && *p_ == '0') {
      ++p_;
      if (p_ != end_ && IsDigit(*p_)) return JsonError::kBadNumber;
    } else if (!Digits()) {
      return JsonError::kBadNumber;
    }
    if (p_ != end_ && *p_ == '.') {
      ++p_;
      if (!Digits()) return JsonError::kBadNumber;
    }
    if (p_ != end_ && (*p_ | 0x20) == 'e') {
      ++p_;
      if (p_ != end_ && (*p_ == '+' || *p_ == '-')) ++p_;
      if (!Digits()) return JsonError::kBadNumber;
    }
    return JsonError::kNone;
  }

  bool Digits() {
    if (p_ == end_ || !IsDigit(*p_)) return false;
    do ++p_;
    while (p_ != end_ && IsDigit(*p_));
    return true;
  }

  JsonError Literal(std::string_view word) {
    if (static_cast<size_t>(end_ - p_) < word.size() ||
        std::memcmp(p_, word.data(), word.size()) != 0) {
      return JsonError::kBadLiteral;
    }
    p_ += word.size();
    return JsonError::kNone;
  }

  void SkipSpace() {
    while (p_ != end_ && *p_ <= ' ' && (*p_ == ' ' || *p_ == '\n' || *p_ == '\r' || *p_ == '\t')) {
      ++p_;
    }
  }

  JsonError Fail(JsonError error, const uint8_t* where) {
    p_ = where;
    return error;
  }

  void Push(bool object) {
    const uint64_t bit = uint64_t{1} << (depth_ % 64);
    uint64_t& word = outer_[depth_ / 64];
    word = in_object_ ? word | bit : word & ~bit;
    in_object_ = object;
    ++depth_;
  }

  void Pop() {
    --depth_;
    in_object_ = (outer_[depth_ / 64] >> (depth_ % 64)) & 1;
  }

  std::vector<JsonMember>* const members_;
  const uint8_t* value_ = nullptr;  // Where the value of the newest member begins.
  const uint8_t* const begin_;
  const uint8_t* p_;
  const uint8_t* const end_;
  const int max_depth_;
  int depth_ = 0;
  bool in_object_ = false;
  JsonKind kind_ = JsonKind::kNull;
  // Bit d: whether what encloses nesting level d + 1 is an object. Set by Push before Pop reads it.
  std::array<uint64_t, kMaxJsonDepth / 64> outer_;
};

}  // namespace

std::string_view JsonErrorText(JsonError error) {
  switch (error) {
    case JsonError::kNone:
      return "valid";
    case JsonError::kUnexpectedEnd:
      return "unexpected end";
    case JsonError::kUnexpectedCharacter:
      return "unexpected character";
    case JsonError::kTrailingData:
      return "data after the value";
    case JsonError::kBadLiteral:
      return "bad literal";
    case JsonError::kBadNumber:
      return "bad number";
    case JsonError::kBadEscape:
      return "bad escape";
    case JsonError::kControlCharacter:
      return "control character in a string";
    case JsonError::kBadUtf8:
      return "bad UTF-8";
    case JsonError::kTooDeep:
      return "nested too deep";
  }
  return "";
}

std::string_view JsonKindName(JsonKind kind) {
  constexpr std::string_view kNames[] = {"object", "array", "string", "number", "boolean", "null"};
  return kNames[static_cast<size_t>(kind)];
}

JsonKind JsonKindOf(char first) {
  switch (first) {
    case '{':
      return JsonKind::kObject;
    case '[':
      return JsonKind::kArray;
    case '"':
      return JsonKind::kString;
    case 't':
    case 'f':
      return JsonKind::kBoolean;
    case 'n':
      return JsonKind::kNull;
    default:
      return JsonKind::kNumber;
  }
}

JsonScanResult ScanJson(std::string_view text, int max_depth) {
  return Scanner<false>(text, std::clamp(max_depth, 0, kMaxJsonDepth)).Run();
}

JsonScanResult ScanJsonMembers(std::string_view text, std::vector<JsonMember>* members,
                               int max_depth) {
  members->clear();
  return Scanner<true>(text, std::clamp(max_depth, 0, kMaxJsonDepth), members).Run();
}

}  // namespace covet::payload
