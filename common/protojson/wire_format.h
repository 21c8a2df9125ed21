#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

// Protobuf's wire format, byte by byte. Internal to protojson.
namespace covet::protojson::internal {

inline constexpr uint32_t kVarint = 0;
inline constexpr uint32_t kFixed64 = 1;
inline constexpr uint32_t kDelimited = 2;
inline constexpr uint32_t kStartGroup = 3;
inline constexpr uint32_t kEndGroup = 4;
inline constexpr uint32_t kFixed32 = 5;

inline size_t PutVarint(char* at, uint64_t value) {
  size_t size = 0;
  while (value >= 0x80) {
    at[size++] = static_cast<char>(value | 0x80);
    value >>= 7;
  }
  at[size++] = static_cast<char>(value);
  return size;
}

inline void AppendVarint(std::string* out, uint64_t value) {
  if (value < 0x80) {
    out->push_back(static_cast<char>(value));
    return;
  }
  char bytes[10];
  out->append(bytes, PutVarint(bytes, value));
}

template <typename T>
void AppendFixed(std::string* out, T value) {
  char bytes[sizeof(T)];
  for (size_t i = 0; i < sizeof(T); ++i) bytes[i] = static_cast<char>(value >> (8 * i));
  out->append(bytes, sizeof bytes);
}

inline uint64_t ZigZag(int64_t value) {
  return (static_cast<uint64_t>(value) << 1) ^ static_cast<uint64_t>(value >> 63);
}
inline int64_t UnZigZag(uint64_t value) {
  return static_cast<int64_t>((value >> 1) ^ (~(value & 1) + 1));
}

// Begins and ends a length-delimited value whose size is not known beforehand: one byte is left for
// the length, and the content moves in the rare case that more are needed.
class Delimited {
 public:
  explicit Delimited(std::string* out) : out_(out) {
    out->push_back('\0');
    start_ = out->size();
  }
  void Close() {
    const size_t size = out_->size() - start_;
    if (size < 0x80) {
      (*out_)[start_ - 1] = static_cast<char>(size);
      return;
    }
    char bytes[10];
    const size_t length = PutVarint(bytes, size);
    out_->insert(start_, length - 1, '\0');
    std::memcpy(out_->data() + start_ - 1, bytes, length);
  }

 private:
  std::string* const out_;
  size_t start_;
};

// One field as it stands on the wire.
struct WireValue {
  uint32_t number = 0;
  uint32_t wire_type = 0;
  uint64_t bits = 0;       // Of varints and fixed values.
  std::string_view bytes;  // Of length-delimited values; of groups, what is between their tags.
};

// Reads the fields of a message.
class WireReader {
 public:
  explicit WireReader(std::string_view bytes)
      : p_(reinterpret_cast<const uint8_t*>(bytes.data())), end_(p_ + bytes.size()) {}

  bool done() const { return p_ == end_; }
  // The next field. False if the bytes are malformed.
  bool Next(WireValue* out) {
    uint32_t tag;
    if (!Tag(&tag)) return false;
    out->number = tag >> 3;
    out->wire_type = tag & 7;
    return out->number != 0 && Value(out);
  }
  bool Varint(uint64_t* out) {
    if (p_ != end_ && *p_ < 0x80) {
      *out = *p_++;
      return true;
    }
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 70; shift += 7) {
      if (p_ == end_) return false;
      const uint8_t byte = *p_++;
      value |= static_cast<uint64_t>(byte & 0x7F) << shift;
      if (byte < 0x80) {
        *out = value;
        return true;
      }
    }
    return false;
  }
  template <typename T>
  bool Fixed(uint64_t* out) {
    if (static_cast<size_t>(end_ - p_) < sizeof(T)) return false;
    uint64_t value = 0;
    for (size_t i = 0; i < sizeof(T); ++i) value |= static_cast<uint64_t>(p_[i]) << (8 * i);
    p_ += sizeof(T);
    *out = value;
    return true;
  }

 private:
  // Groups within groups; what Protobuf's parsers allow.
  static constexpr int kMaxGroups = 100;

  bool Tag(uint32_t* tag) {
    uint64_t value;
    if (!Varint(&value) || value > UINT32_MAX) return false;
    *tag = static_cast<uint32_t>(value);
    return true;
  }
  bool Value(WireValue* out) {
    switch (out->wire_type) {
      case kVarint:
        return Varint(&out->bits);
      case kFixed64:
        return Fixed<uint64_t>(&out->bits);
      case kFixed32:
        return Fixed<uint32_t>(&out->bits);
      case kDelimited: {
        uint64_t size;
        if (!Varint(&size) || size > static_cast<uint64_t>(end_ - p_)) return false;
        out->bytes = {reinterpret_cast<const char*>(p_), static_cast<size_t>(size)};
        p_ += size;
        return true;
      }
      case kStartGroup:
        return Group(out);
      default:
        return false;
    }
  }
  // To the end tag that belongs to the group.
  bool Group(WireValue* out) {
    uint32_t open[kMaxGroups];
    size_t depth = 0;
    open[depth++] = out->number;
    const uint8_t* const begin = p_;
    for (;;) {
      const uint8_t* const tag_at = p_;
      uint32_t tag;
      if (!Tag(&tag)) return false;
      const uint32_t number = tag >> 3;
      if (number == 0) return false;
      if ((tag & 7) == kEndGroup) {
        if (open[--depth] != number) return false;
        if (depth == 0) {
          out->bytes = {reinterpret_cast<const char*>(begin), static_cast<size_t>(tag_at - begin)};
          return true;
        }
      } else if ((tag & 7) == kStartGroup) {
        if (depth == kMaxGroups) return false;
        open[depth++] = number;
      } else {
        WireValue skipped;
        skipped.number = number;
        skipped.wire_type = tag & 7;
        if (!Value(&skipped)) return false;
      }
    }
  }

  const uint8_t* p_;
  const uint8_t* end_;
};

}  // namespace covet::protojson::internal
