#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "common/payload/json_scanner.h"
#include "services/streams/sources/postgres/change_record.h"

// A session of messages, each behind its length (two bytes): whatever is decoded must become valid
// JSON within the bound.
namespace {

constexpr size_t kMaxRecord = 4096;

void Require(bool condition) {
  if (!condition) std::abort();
}

void CheckRecord(const std::string& record) {
  const auto scan = covet::payload::ScanJson(record);
  Require(scan.ok() && scan.kind == covet::payload::JsonKind::kObject);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  namespace pg = covet::streams::postgres;
  pg::MessageDecoder decoder;
  pg::ChangeRecordWriter writer(kMaxRecord);
  writer.SetTransaction({});
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  std::string record;
  (void)pg::DecodeFrame(rest);
  for (int64_t sequence = 1; rest.size() >= 2; ++sequence) {
    const size_t length =
        static_cast<size_t>(static_cast<uint8_t>(rest[0])) << 8 | static_cast<uint8_t>(rest[1]);
    const std::string_view message = rest.substr(2, length);
    rest.remove_prefix(2 + message.size());
    const auto kind = decoder.Decode(message);
    if (!kind.ok()) continue;
    switch (*kind) {
      case pg::MessageKind::kBegin:
        writer.SetTransaction(decoder.begin());
        break;
      case pg::MessageKind::kRelation:
        writer.SetRelation(decoder.relation());
        break;
      case pg::MessageKind::kRowChange:
        if (writer.WriteRow(decoder.row_change(), sequence, &record)) CheckRecord(record);
        break;
      case pg::MessageKind::kTruncate:
        for (const uint32_t relation : decoder.truncate().relations) {
          if (writer.WriteTruncate(relation, decoder.truncate(), sequence, &record)) {
            CheckRecord(record);
          }
        }
        break;
      case pg::MessageKind::kCommit:
      case pg::MessageKind::kIgnored:
        break;
    }
  }
  return 0;
}
