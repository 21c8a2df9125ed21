#include "common/payload/json_string.h"

#include <cstdint>

namespace covet::payload {
namespace {

uint32_t HexDigit(char c) {
  if (c <= '9') return static_cast<uint32_t>(c - '0');
  return static_cast<uint32_t>((c | 0x20) - 'a' + 10);
}

uint32_t CodeUnit(const char* digits) {
  return HexDigit(digits[0]) << 12 | HexDigit(digits[1]) << 8 | HexDigit(digits[2]) << 4 |
         HexDigit(digits[3]);
}

void AppendCodePoint(std::string* out, uint32_t c) {
  const auto push = [out](uint32_t byte) { out->push_back(static_cast<char>(byte)); };
  if (c < 0x80) {
    push(c);
  } else if (c < 0x800) {
    push(0xC0 | c >> 6);
    push(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    push(0xE0 | c >> 12);
    push(0x80 | (c >> 6 & 0x3F));
    push(0x80 | (c & 0x3F));
  } else {
    push(0xF0 | c >> 18);
    push(0x80 | (c >> 12 & 0x3F));
    push(0x80 | (c >> 6 & 0x3F));
    push(0x80 | (c & 0x3F));
  }
}

char Unescape(char c) {
  switch (c) {
    case 'b':
      return '\b';
    case 'f':
      return '\f';
    case 'n':
      return '\n';
    case 'r':
      return '\r';
    case 't':
      return '\t';
    default:
      return c;
  }
}

}  // namespace

void AppendUnescaped(std::string* out, std::string_view raw) {
  size_t i = 0;
  while (i < raw.size()) {
    const size_t escape = raw.find('\\', i);
    out->append(raw.substr(i, escape - i));
    if (escape == std::string_view::npos) return;
    i = escape + 2;
    if (raw[escape + 1] != 'u') {
      out->push_back(Unescape(raw[escape + 1]));
      continue;
    }
    uint32_t c = CodeUnit(raw.data() + i);
    i += 4;
    const bool high = c >= 0xD800 && c < 0xDC00;
    if (high && i + 6 <= raw.size() && raw[i] == '\\' && raw[i + 1] == 'u') {
      const uint32_t low = CodeUnit(raw.data() + i + 2);
      if (low >= 0xDC00 && low < 0xE000) {
        c = 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00);
        i += 6;
      }
    }
    AppendCodePoint(out, c);
  }
}

std::string_view UnescapedView(std::string_view raw, std::string* scratch) {
  if (raw.find('\\') == std::string_view::npos) return raw;
  scratch->clear();
  AppendUnescaped(scratch, raw);
  return *scratch;
}

}  // namespace covet::payload
