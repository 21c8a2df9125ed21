#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "common/payload/json_scanner.h"
#include "services/streams/domain/filter.h"

// A filter in Protobuf's wire format behind its length (2 bytes), then a record. Whatever compiles
// can be asked of every object, answers the same twice, and as its canonical form does.
namespace {

void Require(bool condition) {
  if (!condition) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const size_t length = data[0] | static_cast<size_t>(data[1]) << 8;
  const std::string_view input(reinterpret_cast<const char*>(data + 2), size - 2);
  const std::string_view record = input.substr(std::min(length, input.size()));
  covet::streams::v1::Filter filter;
  if (!filter.ParseFromArray(input.data(), static_cast<int>(input.size() - record.size()))) {
    return 0;
  }
  auto compiled = covet::streams::CompiledFilter::Compile(filter);
  if (!compiled.ok()) return 0;
  const auto scan = covet::payload::ScanJson(record);
  if (!scan.ok() || scan.kind != covet::payload::JsonKind::kObject) return 0;
  const bool passes = compiled->Passes(record);
  Require(compiled->Passes(record) == passes);
  covet::streams::v1::Filter canonical;
  Require(canonical.ParseFromString(covet::streams::CanonicalFilter(filter)));
  auto again = covet::streams::CompiledFilter::Compile(canonical);
  Require(again.ok() && again->Passes(record) == passes);
  return 0;
}
