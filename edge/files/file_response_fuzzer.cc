#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "edge/files/file_response.h"

// Any headers: one a line, each beginning with a letter that says which. What is planned must lie
// in the file, and no header may hold a line's end.
namespace {

void Require(bool condition) {
  if (!condition) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using covet::edge::FileConditions;
  std::string_view text(reinterpret_cast<const char*>(data), size);
  FileConditions conditions;
  covet::edge::FileFacts file;
  file.sha256 = std::string(64, 'a');
  file.size = size > 0 ? static_cast<int64_t>(uint64_t{1} << (data[0] & 63) >> 1) : 0;
  file.created_s = 1'757'505'600;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    const std::string value(line.substr(line.empty() ? 0 : 1));
    switch (line.empty() ? '\0' : line.front()) {
      case 'h':
        conditions.head = true;
        break;
      case 'r':
        conditions.range = value;
        break;
      case 'm':
        conditions.if_match = value;
        break;
      case 'n':
        conditions.if_none_match = value;
        break;
      case 's':
        conditions.if_modified_since = value;
        break;
      case 'u':
        conditions.if_unmodified_since = value;
        break;
      case 'i':
        conditions.if_range = value;
        break;
      default:
        file.filename = value;
    }
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  const covet::edge::FileResponse response = covet::edge::PlanFileResponse(file, conditions);
  Require(response.offset >= 0 && response.length >= 0);
  Require(response.offset <= file.size && response.length <= file.size - response.offset);
  Require(response.status == 200 || response.status == 206 || response.length == 0);
  Require(response.status != 206 || response.length > 0);
  for (const auto& [name, header] : response.headers) {
    for (const char c : header) Require(static_cast<unsigned char>(c) >= 0x20 && c != 0x7F);
  }
  return 0;
}
