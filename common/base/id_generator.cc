#include "common/base/id_generator.h"

#include <openssl/rand.h>

#include <charconv>
#include <cstdlib>

namespace covet {
namespace {

constexpr char kAlphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

std::string Encode128(std::string_view prefix, uint64_t high, uint64_t low) {
  std::string out(prefix);
  out.reserve(prefix.size() + 22);
  for (int i = 0; i < 11; ++i) {
    out.push_back(kAlphabet[high & 63]);
    high >>= 6;
  }
  for (int i = 0; i < 11; ++i) {
    out.push_back(kAlphabet[low & 63]);
    low >>= 6;
  }
  return out;
}

class OpenSslIds final : public IdGenerator {
 public:
  std::string NewId(std::string_view prefix) override {
    return Encode128(prefix, Random64(), Random64());
  }
  uint64_t Random64() override {
    uint64_t value;
    // Without randomness no id can be trusted; nothing sensible is left to do.
    if (RAND_bytes(reinterpret_cast<unsigned char*>(&value), sizeof value) != 1) std::abort();
    return value;
  }
};

}  // namespace

IdGenerator& SystemIds() {
  static OpenSslIds ids;
  return ids;
}

std::string SeededIds::NewId(std::string_view prefix) {
  const uint64_t high = Random64();
  return Encode128(prefix, high, Random64());
}

// SplitMix64.
uint64_t SeededIds::Random64() {
  uint64_t z = (state_ += 0x9e3779b97f4a7c15ULL);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
  return z ^ (z >> 31);
}

void MessageIds::AppendTo(std::string* out) {
  char digits[16];
  const auto end = std::to_chars(digits, digits + sizeof digits, next_++, 16).ptr;
  out->append("m_").append(prefix_).push_back('-');
  out->append(digits, end);
}

}  // namespace covet
