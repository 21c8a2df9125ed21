#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "common/payload/json_scanner.h"
#include "services/streams/sources/logs/line_parser.h"
#include "services/streams/sources/logs/line_splitter.h"

// Any bytes as a file: each line must become a JSON object within its bound.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  namespace logs = covet::streams::logs;
  constexpr size_t kMaxRecord = 2048;
  static logs::LineParser parser(absl::UTCTimeZone(), kMaxRecord);
  static logs::ParsedLine parsed;
  logs::LineSplitter splitter(512);
  const auto check = [](std::string_view line, bool truncated) {
    if (line.size() > 512) std::abort();
    parser.Parse(line, 1757505600000, truncated, "file.log", &parsed);
    const auto scan = covet::payload::ScanJson(parsed.json);
    if (!scan.ok() || scan.kind != covet::payload::JsonKind::kObject) std::abort();
    if (parsed.json.size() > kMaxRecord) std::abort();
  };
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  while (!rest.empty()) {
    // In pieces of odd sizes.
    const size_t step = 1 + static_cast<uint8_t>(rest[0]) % 61;
    splitter.Feed(rest.substr(0, step), check);
    rest.remove_prefix(std::min(step, rest.size()));
  }
  splitter.Flush(check);
  return 0;
}
