#include "common/protojson/message_codec.h"

#include "common/errors/error.h"
#include "common/payload/json_scanner.h"
#include "common/protojson/json_to_wire.h"
#include "common/protojson/message_table.h"
#include "common/protojson/text.h"
#include "common/protojson/wire_to_json.h"

namespace covet::protojson {

const google::protobuf::Descriptor& MessageCodec::descriptor() const { return *table_->descriptor; }

absl::Status MessageCodec::JsonToWire(std::string_view json, std::string_view root,
                                      std::string* wire) const {
  const payload::JsonScanResult scan = payload::ScanJson(json, kMaxDepth);
  if (!scan.ok()) {
    const std::string_view problem = payload::JsonErrorText(scan.error);
    return MakeError(
        ErrorCode::kInvalidArgument,
        internal::Concat(root, ": ", problem, " at byte ", std::to_string(scan.offset)),
        {{"field", std::string(root)},
         {"expected", "valid JSON"},
         {"received", std::string(problem)}});
  }
  internal::JsonToWireWriter writer(json, wire);
  const internal::Path path{nullptr, root};
  writer.Message(*table_, path, 1);
  return writer.status();
}

absl::Status MessageCodec::WireToJson(std::string_view wire, std::string* json,
                                      size_t max_bytes) const {
  internal::WireToJsonPrinter printer(json, max_bytes);
  printer.Message(*table_, wire, 0);
  return printer.status();
}

}  // namespace covet::protojson
