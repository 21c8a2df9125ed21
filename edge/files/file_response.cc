#include "edge/files/file_response.h"

#include <algorithm>
#include <charconv>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "common/base/string_map.h"

namespace covet::edge {
namespace {

constexpr char kDateFormat[] = "%a, %d %b %E4Y %H:%M:%S GMT";

std::string_view Trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// Digits only. Numbers beyond the range count as its end: they lie beyond every file.
std::optional<int64_t> ParseNumber(std::string_view text) {
  if (text.empty() ||
      !std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; })) {
    return std::nullopt;
  }
  int64_t value = 0;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
  if (result.ec == std::errc::result_out_of_range) return std::numeric_limits<int64_t>::max();
  return value;
}

enum class Verdict : uint8_t { kSend, kNotModified, kFailed };

// RFC 9110 section 13.2.2.
Verdict Evaluate(const FileFacts& file, const FileConditions& conditions, std::string_view tag) {
  if (conditions.if_match) {
    if (!NamesTag(*conditions.if_match, tag, /*weak=*/false)) return Verdict::kFailed;
  } else if (conditions.if_unmodified_since) {
    const auto since = ParseHttpDate(*conditions.if_unmodified_since);
    if (since && file.created_s > *since) return Verdict::kFailed;
  }
  if (conditions.if_none_match) {
    if (NamesTag(*conditions.if_none_match, tag, /*weak=*/true)) return Verdict::kNotModified;
  } else if (conditions.if_modified_since) {
    const auto since = ParseHttpDate(*conditions.if_modified_since);
    if (since && file.created_s <= *since) return Verdict::kNotModified;
  }
  return Verdict::kSend;
}

// Whether If-Range lets the range count: the strong tag, or the very date.
bool RangeHolds(const FileFacts& file, const FileConditions& conditions, std::string_view tag) {
  if (!conditions.if_range) return true;
  const std::string_view validator = Trim(*conditions.if_range);
  if (validator.starts_with('"')) return validator == tag;
  const auto date = ParseHttpDate(validator);
  return date && *date == file.created_s;
}

// RFC 8187: attr-char.
bool IsAttributeChar(unsigned char c) {
  constexpr std::string_view kMarks = "!#$&+-.^_`|~";
  return absl::ascii_isalnum(c) || kMarks.find(static_cast<char>(c)) != std::string_view::npos;
}

}  // namespace

bool NamesTag(std::string_view header, std::string_view tag, bool weak) {
  header = Trim(header);
  if (header == "*") return true;
  while (!header.empty()) {
    header = Trim(header);
    const bool is_weak = header.starts_with("W/");
    if (is_weak) header.remove_prefix(2);
    if (!header.starts_with('"')) return false;
    const size_t end = header.find('"', 1);
    if (end == std::string_view::npos) return false;
    if (header.substr(0, end + 1) == tag && (weak || !is_weak)) return true;
    header = Trim(header.substr(end + 1));
    if (header.empty()) return false;
    if (header.front() != ',') return false;
    header.remove_prefix(1);
  }
  return false;
}

ByteRange ParseRange(std::string_view header, int64_t size) {
  constexpr std::string_view kUnit = "bytes=";
  ByteRange range;
  header = Trim(header);
  if (header.size() < kUnit.size() ||
      !std::equal(kUnit.begin(), kUnit.end(), header.begin(),
                  [](char a, char b) { return a == absl::ascii_tolower(b); })) {
    return range;
  }
  const std::string_view spec = Trim(header.substr(kUnit.size()));
  const size_t dash = spec.find('-');
  if (dash == std::string_view::npos || spec.find(',') != std::string_view::npos) return range;
  const std::string_view first_text = Trim(spec.substr(0, dash));
  const std::string_view last_text = Trim(spec.substr(dash + 1));
  const auto first = ParseNumber(first_text);
  const auto last = ParseNumber(last_text);
  if (first_text.empty()) {
    if (!last) return range;
    if (*last == 0 || size == 0) {
      range.kind = ByteRange::Kind::kUnsatisfiable;
      return range;
    }
    range.first = std::max<int64_t>(size - *last, 0);
    range.last = size - 1;
    range.kind = ByteRange::Kind::kPart;
    return range;
  }
  if (!first || (!last_text.empty() && !last) || (last && *last < *first)) return range;
  if (*first >= size) {
    range.kind = ByteRange::Kind::kUnsatisfiable;
    return range;
  }
  range.first = *first;
  range.last = last ? std::min(*last, size - 1) : size - 1;
  range.kind = ByteRange::Kind::kPart;
  return range;
}

FileResponse PlanFileResponse(const FileFacts& file, const FileConditions& conditions) {
  const std::string tag = absl::StrCat("\"", file.sha256, "\"");
  FileResponse response;
  auto& headers = response.headers;
  headers.emplace_back("ETag", tag);
  headers.emplace_back("Last-Modified", FormatHttpDate(file.created_s));
  // A link is its holder's alone; shared caches would outlive its signature.
  headers.emplace_back("Cache-Control", "private");
  headers.emplace_back("Accept-Ranges", "bytes");
  // Whatever a file says it is, a browser runs nothing of it.
  headers.emplace_back("X-Content-Type-Options", "nosniff");
  headers.emplace_back("Content-Security-Policy", "default-src 'none'; sandbox");
  switch (Evaluate(file, conditions, tag)) {
    case Verdict::kNotModified:
      response.status = 304;
      return response;
    case Verdict::kFailed:
      response.status = 412;
      return response;
    case Verdict::kSend:
      break;
  }
  ByteRange range;
  // A range means something for GET only (section 14.2).
  if (conditions.range && !conditions.head && RangeHolds(file, conditions, tag)) {
    range = ParseRange(*conditions.range, file.size);
  }
  if (range.kind == ByteRange::Kind::kUnsatisfiable) {
    response.status = 416;
    headers.emplace_back("Content-Range", absl::StrCat("bytes */", file.size));
    return response;
  }
  headers.emplace_back("Content-Type",
                       file.mimetype.empty() ? "application/octet-stream" : file.mimetype);
  headers.emplace_back("Content-Disposition", ContentDisposition(file.filename));
  response.length = file.size;
  if (range.kind == ByteRange::Kind::kPart) {
    response.status = 206;
    response.offset = range.first;
    response.length = range.last - range.first + 1;
    headers.emplace_back("Content-Range",
                         absl::StrCat("bytes ", range.first, "-", range.last, "/", file.size));
  }
  return response;
}

std::string ContentDisposition(std::string_view filename) {
  std::string ascii;
  std::string encoded;
  bool plain = true;
  for (const char c : filename) {
    const auto byte = static_cast<unsigned char>(c);
    const bool safe = byte >= 0x20 && byte < 0x7F && c != '"' && c != '\\' && c != '%';
    // One mark for a character of several bytes.
    if (safe) {
      ascii.push_back(c);
    } else if ((byte & 0xC0) != 0x80) {
      ascii.push_back('_');
    }
    plain = plain && safe;
    if (IsAttributeChar(byte)) {
      encoded.push_back(c);
    } else {
      constexpr char kHex[] = "0123456789ABCDEF";
      encoded += {'%', kHex[byte >> 4], kHex[byte & 15]};
    }
  }
  std::string header = absl::StrCat("attachment; filename=\"", ascii, "\"");
  if (!plain) absl::StrAppend(&header, "; filename*=UTF-8''", encoded);
  return header;
}

std::string FormatHttpDate(int64_t unix_s) {
  return absl::FormatTime(kDateFormat, absl::FromUnixSeconds(unix_s), absl::UTCTimeZone());
}

std::optional<int64_t> ParseHttpDate(std::string_view text) {
  absl::Time time;
  if (!absl::ParseTime(kDateFormat, ToAbsl(text), &time, nullptr)) return std::nullopt;
  return absl::ToUnixSeconds(time);
}

}  // namespace covet::edge
