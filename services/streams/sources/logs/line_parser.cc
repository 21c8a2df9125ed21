#include "services/streams/sources/logs/line_parser.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "common/base/string_map.h"
#include "common/payload/json_string.h"
#include "common/payload/json_writer.h"
#include "services/streams/domain/names.h"

namespace covet::streams::logs {
namespace {

// How far into a line its time may begin and its severity may stand.
constexpr size_t kTimeBytes = 120;
constexpr size_t kSeverityBytes = 160;

struct NamedSeverity {
  std::string_view name;
  v1::Severity severity;
};

constexpr NamedSeverity kNames[] = {
    {"trace", v1::SEVERITY_DEBUG},        {"debug", v1::SEVERITY_DEBUG},
    {"dbg", v1::SEVERITY_DEBUG},          {"verbose", v1::SEVERITY_DEBUG},
    {"info", v1::SEVERITY_INFO},          {"information", v1::SEVERITY_INFO},
    {"informational", v1::SEVERITY_INFO}, {"inf", v1::SEVERITY_INFO},
    {"log", v1::SEVERITY_INFO},           {"notice", v1::SEVERITY_NOTICE},
    {"warn", v1::SEVERITY_WARNING},       {"warning", v1::SEVERITY_WARNING},
    {"wrn", v1::SEVERITY_WARNING},        {"err", v1::SEVERITY_ERROR},
    {"error", v1::SEVERITY_ERROR},        {"severe", v1::SEVERITY_ERROR},
    {"eror", v1::SEVERITY_ERROR},         {"crit", v1::SEVERITY_CRITICAL},
    {"critical", v1::SEVERITY_CRITICAL},  {"fatal", v1::SEVERITY_CRITICAL},
    {"panic", v1::SEVERITY_CRITICAL},     {"alert", v1::SEVERITY_CRITICAL},
    {"emerg", v1::SEVERITY_CRITICAL},     {"emergency", v1::SEVERITY_CRITICAL},
};

constexpr std::array<std::string_view, 7> kSeverityMembers = {
    "severity", "level", "lvl", "log.level", "loglevel", "levelname", "severity_text"};
constexpr std::array<std::string_view, 5> kTimeMembers = {"timestamp", "@timestamp", "time", "ts",
                                                          "asctime"};

bool IsUpper(std::string_view word) {
  return std::all_of(word.begin(), word.end(), [](char c) { return c >= 'A' && c <= 'Z'; });
}

// pino and bunyan count 10 (trace) to 60 (fatal).
v1::Severity SeverityOfNumber(double value) {
  if (!(value >= 10) || value > 100) return v1::SEVERITY_UNSPECIFIED;
  if (value < 30) return v1::SEVERITY_DEBUG;
  if (value < 40) return v1::SEVERITY_INFO;
  if (value < 50) return v1::SEVERITY_WARNING;
  return value < 60 ? v1::SEVERITY_ERROR : v1::SEVERITY_CRITICAL;
}

v1::Severity SeverityOfPriority(int priority) {
  constexpr std::array<v1::Severity, 8> kByLevel = {
      v1::SEVERITY_CRITICAL, v1::SEVERITY_CRITICAL, v1::SEVERITY_CRITICAL, v1::SEVERITY_ERROR,
      v1::SEVERITY_WARNING,  v1::SEVERITY_NOTICE,   v1::SEVERITY_INFO,     v1::SEVERITY_DEBUG};
  return kByLevel[static_cast<size_t>(priority) % 8];
}

std::optional<double> NumberOf(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value)) {
    return std::nullopt;
  }
  return value;
}

// Seconds, milliseconds, microseconds or nanoseconds: whichever lies after 1971 and before 5138.
std::optional<int64_t> MillisOfEpoch(double value) {
  if (value < 3e7) return std::nullopt;
  if (value < 1e11) return static_cast<int64_t>(value * 1e3);
  if (value < 1e14) return static_cast<int64_t>(value);
  if (value < 1e17) return static_cast<int64_t>(value / 1e3);
  return value < 1e19 ? std::optional(static_cast<int64_t>(value / 1e6)) : std::nullopt;
}

// The first word near the line's start that names a severity as logs do.
v1::Severity SeverityInText(std::string_view line) {
  line = line.substr(0, kSeverityBytes);
  for (size_t at = 0; at < line.size();) {
    if (!absl::ascii_isalpha(static_cast<unsigned char>(line[at]))) {
      ++at;
      continue;
    }
    size_t end = at;
    while (end < line.size() && absl::ascii_isalpha(static_cast<unsigned char>(line[end]))) ++end;
    const std::string_view word = line.substr(at, end - at);
    const char before = at == 0 ? ' ' : line[at - 1];
    const char after = end == line.size() ? ' ' : line[end];
    const v1::Severity severity = SeverityOf(word);
    if (severity != v1::SEVERITY_UNSPECIFIED) {
      const bool bracketed =
          (before == '[' || before == ':' || before == '<') && (after == ']' || after == '>');
      const bool upper = IsUpper(word) &&
                         !absl::ascii_isalnum(static_cast<unsigned char>(before)) &&
                         before != '_' && before != '-' && before != '/' && before != '.' &&
                         !absl::ascii_isdigit(static_cast<unsigned char>(after)) && after != '_' &&
                         after != '/' && after != '.' && after != '=';
      const std::string_view prefix = line.substr(0, at);
      const bool assigned = prefix.ends_with("level=") || prefix.ends_with("lvl=") ||
                            prefix.ends_with("severity=") || prefix.ends_with("level=\"");
      const bool begins = at == 0 && after == ':';
      if (bracketed || upper || assigned || begins) return severity;
    }
    at = end;
  }
  return v1::SEVERITY_UNSPECIFIED;
}

}  // namespace

v1::Severity SeverityOf(std::string_view word) {
  for (const NamedSeverity& named : kNames) {
    if (absl::EqualsIgnoreCase(ToAbsl(named.name), ToAbsl(word))) return named.severity;
  }
  return v1::SEVERITY_UNSPECIFIED;
}

bool LineParser::ParseJson(std::string_view line, int64_t now_ms, std::string_view file,
                           ParsedLine* out) {
  const size_t begin = line.find_first_not_of(" \t");
  if (begin == std::string_view::npos || line[begin] != '{') return false;
  const payload::JsonScanResult scan = payload::ScanJsonMembers(line, &members_);
  if (!scan.ok() || scan.kind != payload::JsonKind::kObject) return false;

  const auto find = [&](std::string_view name) -> const payload::JsonMember* {
    const auto it = std::find_if(members_.begin(), members_.end(),
                                 [&](const auto& member) { return member.name == name; });
    return it == members_.end() ? nullptr : &*it;
  };
  const auto text_of = [&](std::string_view value) {
    return value.starts_with('"')
               ? payload::UnescapedView(value.substr(1, value.size() - 2), &scratch_)
               : value;
  };
  bool replace_severity = false;
  for (const std::string_view name : kSeverityMembers) {
    const payload::JsonMember* const member = find(name);
    if (member == nullptr) continue;
    const std::string_view text = text_of(member->value);
    const std::optional<double> number = NumberOf(text);
    out->severity = number ? SeverityOfNumber(*number) : SeverityOf(text);
    if (out->severity == v1::SEVERITY_UNSPECIFIED) continue;
    replace_severity = find("severity") != nullptr &&
                       text_of(find("severity")->value) != SeverityName(out->severity);
    break;
  }
  bool replace_time = false;
  for (const std::string_view name : kTimeMembers) {
    const payload::JsonMember* const member = find(name);
    if (member == nullptr) continue;
    const std::string_view text = text_of(member->value);
    size_t size = 0;
    if (const std::optional<double> number = NumberOf(text)) {
      out->timestamp_ms = MillisOfEpoch(*number);
    } else {
      out->timestamp_ms = TimeAtStart(text, now_ms, zone_, &size);
    }
    if (!out->timestamp_ms) continue;
    const payload::JsonMember* const own = find("timestamp");
    replace_time = own != nullptr && (!own->value.starts_with('"') ||
                                      !payload::ParseRfc3339Millis(text_of(own->value)));
    break;
  }
  const bool add_file = !file.empty() && find("file") == nullptr;
  if (!replace_severity && !replace_time && !add_file) {
    out->json.assign(line);
    return true;
  }
  out->json = "{";
  for (const payload::JsonMember& member : members_) {
    if ((replace_severity && member.name == "severity") ||
        (replace_time && member.name == "timestamp")) {
      continue;
    }
    payload::AppendRawMember(&out->json, member.name, member.value);
  }
  if (add_file) payload::AppendStringMember(&out->json, "file", file);
  out->json.push_back('}');
  return true;
}

void LineParser::ParseText(std::string_view line, int64_t now_ms, ParsedLine* out) const {
  std::string_view rest = line;
  // <34>1 2025-… and <34>Oct 11 …
  if (rest.starts_with('<')) {
    int priority = 0;
    const auto [end, error] =
        std::from_chars(rest.data() + 1, rest.data() + std::min<size_t>(rest.size(), 4), priority);
    if (error == std::errc() && end != rest.data() + rest.size() && *end == '>' && priority >= 0 &&
        priority < 192) {
      out->severity = SeverityOfPriority(priority);
      rest.remove_prefix(static_cast<size_t>(end - rest.data()) + 1);
      if (rest.starts_with("1 ")) rest.remove_prefix(2);
    }
  }
  const std::string_view head = rest.substr(0, kTimeBytes);
  size_t size = 0;
  for (size_t at = 0; at < head.size(); ++at) {
    // A time begins the line, or stands behind a bracket, a quote, `=` or a space.
    if (at > 0 && std::string_view("[(\"'= ").find(head[at - 1]) == std::string_view::npos)
      continue;
    out->timestamp_ms = TimeAtStart(rest.substr(at), now_ms, zone_, &size);
    if (out->timestamp_ms) break;
  }
  if (out->severity == v1::SEVERITY_UNSPECIFIED) out->severity = SeverityInText(rest);
  // glog: the letter before the date.
  if (out->severity == v1::SEVERITY_UNSPECIFIED && rest.size() > 5 && out->timestamp_ms &&
      absl::ascii_isdigit(static_cast<unsigned char>(rest[4])) && rest[5] == ' ') {
    switch (rest[0]) {
      case 'I':
        out->severity = v1::SEVERITY_INFO;
        break;
      case 'W':
        out->severity = v1::SEVERITY_WARNING;
        break;
      case 'E':
        out->severity = v1::SEVERITY_ERROR;
        break;
      case 'F':
        out->severity = v1::SEVERITY_CRITICAL;
        break;
      default:
        break;
    }
  }
}

void LineParser::Parse(std::string_view line, int64_t now_ms, bool truncated, std::string_view file,
                       ParsedLine* out) {
  out->json.clear();
  out->timestamp_ms.reset();
  out->severity = v1::SEVERITY_UNSPECIFIED;
  if (!truncated && ParseJson(line, now_ms, file, out) && out->json.size() <= max_record_bytes_)
    return;
  ParseText(line, now_ms, out);
  out->json = "{";
  // Quoting can make a byte six: what does not fit then is cut too.
  const size_t room = max_record_bytes_ - 256 - 2 * file.size();
  payload::AppendStringMember(&out->json, "message", line);
  if (out->json.size() > room) {
    out->json = "{";
    payload::AppendStringMember(&out->json, "message", line.substr(0, room / 6));
    truncated = true;
  }
  if (!file.empty()) payload::AppendStringMember(&out->json, "file", file);
  if (truncated) payload::AppendBoolMember(&out->json, "truncated", true);
  out->json.push_back('}');
}

}  // namespace covet::streams::logs
