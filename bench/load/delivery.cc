#include "bench/load/delivery.h"

#include <algorithm>
#include <cstring>

namespace covet::bench {
namespace {

constexpr std::string_view kMarker = R"("bench_ns":")";
constexpr size_t kDigits = 16;
constexpr size_t kStampOffset = 1 + kMarker.size();

bool ParseHex(std::string_view digits, uint64_t* value) {
  uint64_t result = 0;
  for (char c : digits) {
    unsigned digit = 0;
    if (c >= '0' && c <= '9') {
      digit = static_cast<unsigned>(c - '0');
    } else if (c >= 'a' && c <= 'f') {
      digit = static_cast<unsigned>(c - 'a') + 10;
    } else {
      return false;
    }
    result = result << 4 | digit;
  }
  *value = result;
  return true;
}

}  // namespace

Payload::Payload(size_t size) {
  text_ = "{";
  text_ += kMarker;
  text_.append(kDigits, '0');
  text_ += R"(","text":")";
  const size_t target = std::max(size, kMinimumSize);
  text_.append(target - text_.size() - 2, 'x');
  text_ += "\"}";
}

const std::string& Payload::Stamp(uint64_t now_ns) {
  static constexpr char kHex[] = "0123456789abcdef";
  for (size_t i = 0; i < kDigits; ++i) {
    text_[kStampOffset + i] = kHex[(now_ns >> (4 * (kDigits - 1 - i))) & 0xf];
  }
  return text_;
}

bool DeliveryFinder::Find(std::string_view text, uint64_t* sent_ns) {
  const size_t needed = kMarker.size() + kDigits;
  if (text.size() < needed) return false;
  if (last_offset_ + needed > text.size() ||
      std::memcmp(text.data() + last_offset_, kMarker.data(), kMarker.size()) != 0) {
    const void* found = memmem(text.data(), text.size(), kMarker.data(), kMarker.size());
    if (found == nullptr) return false;
    const auto offset = static_cast<size_t>(static_cast<const char*>(found) - text.data());
    if (offset + needed > text.size()) return false;
    last_offset_ = offset;
  }
  return ParseHex(text.substr(last_offset_ + kMarker.size(), kDigits), sent_ns);
}

}  // namespace covet::bench
