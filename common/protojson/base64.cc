#include "common/protojson/base64.h"

#include <array>
#include <cstddef>
#include <cstdint>

namespace covet::protojson::internal {
namespace {

constexpr std::string_view kAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

constexpr std::array<int8_t, 256> MakeValues() {
  std::array<int8_t, 256> values{};
  values.fill(-1);
  for (size_t i = 0; i < kAlphabet.size(); ++i) {
    values[static_cast<uint8_t>(kAlphabet[i])] = static_cast<int8_t>(i);
  }
  values['-'] = 62;
  values['_'] = 63;
  return values;
}
constexpr std::array<int8_t, 256> kValues = MakeValues();

}  // namespace

void AppendBase64(std::string_view bytes, std::string* out) {
  const auto* p = reinterpret_cast<const uint8_t*>(bytes.data());
  size_t left = bytes.size();
  for (; left >= 3; left -= 3, p += 3) {
    const uint32_t group = uint32_t{p[0]} << 16 | uint32_t{p[1]} << 8 | p[2];
    const char text[] = {kAlphabet[group >> 18], kAlphabet[group >> 12 & 63],
                         kAlphabet[group >> 6 & 63], kAlphabet[group & 63]};
    out->append(text, sizeof text);
  }
  if (left == 0) return;
  const uint32_t group = uint32_t{p[0]} << 16 | (left == 2 ? uint32_t{p[1]} << 8 : 0);
  const char text[] = {kAlphabet[group >> 18], kAlphabet[group >> 12 & 63],
                       left == 2 ? kAlphabet[group >> 6 & 63] : '=', '='};
  out->append(text, sizeof text);
}

bool DecodeBase64(std::string_view text, std::string* out) {
  if (text.size() % 4 == 0) {
    for (int i = 0; i < 2 && text.ends_with('='); ++i) text.remove_suffix(1);
  }
  if (text.size() % 4 == 1) return false;
  uint32_t group = 0;
  int bits = 0;
  for (const char c : text) {
    const int8_t value = kValues[static_cast<uint8_t>(c)];
    if (value < 0) return false;
    group = group << 6 | static_cast<uint32_t>(value);
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      out->push_back(static_cast<char>(group >> bits));
    }
  }
  // What is left over must be nothing.
  return (group & ((uint32_t{1} << bits) - 1)) == 0;
}

}  // namespace covet::protojson::internal
