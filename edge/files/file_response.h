#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace covet::edge {

// What a download's request says beside its address (RFC 9110 sections 13 and 14).
struct FileConditions {
  bool head = false;
  std::optional<std::string> range;
  std::optional<std::string> if_match;
  std::optional<std::string> if_none_match;
  std::optional<std::string> if_modified_since;
  std::optional<std::string> if_unmodified_since;
  std::optional<std::string> if_range;
};

// What is to be sent.
struct FileFacts {
  std::string filename;  // UTF-8.
  std::string mimetype;  // Empty if nobody knows.
  std::string sha256;    // Lower-case hex; the strong ETag.
  int64_t size = 0;
  int64_t created_s = 0;  // Unix seconds; the Last-Modified.
};

// How a download is answered: 200, 206, 304, 412 or 416.
struct FileResponse {
  int status = 200;
  std::vector<std::pair<std::string, std::string>> headers;
  // Of the file; what Content-Length says. Nothing is sent of it for HEAD.
  int64_t offset = 0;
  int64_t length = 0;
};

// Decides by conditions first, then by the range. Several ranges are answered as if there were
// none: the whole file. Total: any header is dealt with.
FileResponse PlanFileResponse(const FileFacts& file, const FileConditions& conditions);

// Whether an If-Match or If-None-Match header names this strong tag, or is `*`; `weak` compares
// weakly.
bool NamesTag(std::string_view header, std::string_view tag, bool weak);

// The one range that a Range header asks for, clipped to the file.
struct ByteRange {
  enum class Kind : uint8_t { kWhole, kPart, kUnsatisfiable };
  Kind kind = Kind::kWhole;  // kWhole also for what is malformed or has several ranges.
  int64_t first = 0;
  int64_t last = 0;
};
ByteRange ParseRange(std::string_view header, int64_t size);

// `attachment` with the name as RFC 6266 and RFC 8187 have it: an ASCII approximation, and the name
// itself where it differs.
std::string ContentDisposition(std::string_view filename);

// IMF-fixdate (RFC 9110 section 5.6.7). Parsing takes that form only.
std::string FormatHttpDate(int64_t unix_s);
std::optional<int64_t> ParseHttpDate(std::string_view text);

}  // namespace covet::edge
