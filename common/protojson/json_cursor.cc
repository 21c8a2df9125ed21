#include "common/protojson/json_cursor.h"

#include <cstdint>

namespace covet::protojson::internal {
namespace {

uint32_t Hex4(const char* p) {
  uint32_t value = 0;
  for (int i = 0; i < 4; ++i) {
    const char c = p[i];
    value = value << 4 | static_cast<uint32_t>(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
  }
  return value;
}

void AppendUtf8(uint32_t code, std::string* out) {
  const auto put = [out](uint32_t byte) { out->push_back(static_cast<char>(byte)); };
  if (code < 0x80) {
    put(code);
  } else if (code < 0x800) {
    put(0xC0 | code >> 6);
    put(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    put(0xE0 | code >> 12);
    put(0x80 | (code >> 6 & 0x3F));
    put(0x80 | (code & 0x3F));
  } else {
    put(0xF0 | code >> 18);
    put(0x80 | (code >> 12 & 0x3F));
    put(0x80 | (code >> 6 & 0x3F));
    put(0x80 | (code & 0x3F));
  }
}

bool IsHigh(uint32_t code) { return code >= 0xD800 && code < 0xDC00; }
bool IsLow(uint32_t code) { return code >= 0xDC00 && code < 0xE000; }

}  // namespace

bool Unescape(std::string_view raw, std::string* out) {
  for (;;) {
    const size_t escape = raw.find('\\');
    out->append(raw.substr(0, escape));
    if (escape == raw.npos) return true;
    const char c = raw[escape + 1];
    raw.remove_prefix(escape + 2);
    switch (c) {
      case 'b':
        out->push_back('\b');
        break;
      case 'f':
        out->push_back('\f');
        break;
      case 'n':
        out->push_back('\n');
        break;
      case 'r':
        out->push_back('\r');
        break;
      case 't':
        out->push_back('\t');
        break;
      case 'u': {
        uint32_t code = Hex4(raw.data());
        raw.remove_prefix(4);
        if (IsLow(code)) return false;
        if (IsHigh(code)) {
          if (!raw.starts_with("\\u")) return false;
          const uint32_t low = Hex4(raw.data() + 2);
          if (!IsLow(low)) return false;
          code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
          raw.remove_prefix(6);
        }
        AppendUtf8(code, out);
        break;
      }
      default:
        out->push_back(c);
    }
  }
}

}  // namespace covet::protojson::internal
