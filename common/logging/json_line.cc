#include "common/logging/json_line.h"

#include <cmath>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"

namespace covet::log {
namespace {

// The length of the well-formed UTF-8 sequence (RFC 3629) at `text[i]`, 0 if there is none.
size_t SequenceLength(std::string_view text, size_t i) {
  const auto byte = [&](size_t k) { return static_cast<unsigned char>(text[k]); };
  const unsigned char lead = byte(i);
  size_t length = 0;
  unsigned char low = 0x80, high = 0xBF;
  if (lead >= 0xC2 && lead <= 0xDF) {
    length = 2;
  } else if (lead >= 0xE0 && lead <= 0xEF) {
    length = 3;
    if (lead == 0xE0) low = 0xA0;
    if (lead == 0xED) high = 0x9F;
  } else if (lead >= 0xF0 && lead <= 0xF4) {
    length = 4;
    if (lead == 0xF0) low = 0x90;
    if (lead == 0xF4) high = 0x8F;
  } else {
    return 0;
  }
  if (i + length > text.size() || byte(i + 1) < low || byte(i + 1) > high) return 0;
  for (size_t k = i + 2; k < i + length; ++k) {
    if (byte(k) < 0x80 || byte(k) > 0xBF) return 0;
  }
  return length;
}

}  // namespace

void AppendJsonString(std::string_view text, std::string* out) {
  static constexpr char kHex[] = "0123456789abcdef";
  out->push_back('"');
  for (size_t i = 0; i < text.size();) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c == '"' || c == '\\') {
      out->push_back('\\');
      out->push_back(static_cast<char>(c));
      ++i;
    } else if (c == '\n') {
      out->append("\\n");
      ++i;
    } else if (c < 0x20 || c == 0x7F) {
      out->append("\\u00");
      out->push_back(kHex[c >> 4]);
      out->push_back(kHex[c & 15]);
      ++i;
    } else if (c < 0x80) {
      out->push_back(static_cast<char>(c));
      ++i;
    } else if (const size_t length = SequenceLength(text, i); length > 0) {
      out->append(text, i, length);
      i += length;
    } else {
      out->append("\\ufffd");
      ++i;
    }
  }
  out->push_back('"');
}

void AppendFields(Fields fields, std::string* out) {
  for (const Field& field : fields) {
    out->push_back(',');
    AppendJsonString(field.key, out);
    out->push_back(':');
    if (const auto* text = std::get_if<std::string_view>(&field.value)) {
      AppendJsonString(*text, out);
    } else if (const auto* integer = std::get_if<int64_t>(&field.value)) {
      absl::StrAppend(out, *integer);
    } else if (const auto* number = std::get_if<double>(&field.value)) {
      if (std::isfinite(*number)) {
        absl::StrAppend(out, *number);
      } else {
        out->append("null");
      }
    } else {
      out->append(std::get<bool>(field.value) ? "true" : "false");
    }
  }
}

std::string LineHead(int64_t wall_millis, std::string_view level, std::string_view event) {
  std::string line;
  line.reserve(256);
  line.append("{\"ts\":\"");
  line.append(absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", absl::FromUnixMillis(wall_millis),
                               absl::UTCTimeZone()));
  absl::StrAppend(&line, "\",\"level\":\"", absl::string_view(level.data(), level.size()),
                  "\",\"event\":");
  AppendJsonString(event, &line);
  return line;
}

}  // namespace covet::log
