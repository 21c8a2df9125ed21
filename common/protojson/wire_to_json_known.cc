#include "common/payload/json_writer.h"
#include "common/protojson/base64.h"
#include "common/protojson/schema.h"
#include "common/protojson/text.h"
#include "common/protojson/well_known.h"
#include "common/protojson/wire_to_json.h"

namespace covet::protojson::internal {

bool WireToJsonPrinter::Any(const MessageTable& table, const Frame& frame, int depth) {
  if (depth == kMaxDepth) return TooDeep();
  const std::string_view url = Last(slot(frame, 0)).bytes;
  const std::string_view content = Last(slot(frame, 1)).bytes;
  out_->push_back('{');
  if (url.empty() && content.empty()) {
    out_->push_back('}');
    return true;
  }
  out_->append("\"@type\":");
  payload::AppendQuoted(out_, url);
  const MessageCodec* const codec = table.schema->FindMessage(TypeOfUrl(url));
  if (codec == nullptr) {
    out_->append(",\"value\":\"");
    AppendBase64(content, out_);
    out_->push_back('"');
  } else if (codec->table().well_known == WellKnown::kNone) {
    const Frame content_frame(this);
    if (!Collect(codec->table(), content, content_frame) ||
        !Fields(codec->table(), content_frame, depth + 1)) {
      return false;
    }
  } else {
    out_->append(",\"value\":");
    if (!Message(codec->table(), content, depth + 1)) return false;
  }
  out_->push_back('}');
  return true;
}

bool WireToJsonPrinter::Time(const MessageTable& table, const Frame& frame) {
  const SecondsNanos value{static_cast<int64_t>(Last(slot(frame, 0)).bits),
                           static_cast<int32_t>(Last(slot(frame, 1)).bits)};
  const bool printed = table.well_known == WellKnown::kDuration ? AppendDuration(value, out_)
                                                                : AppendTimestamp(value, out_);
  if (printed) return true;
  status_ = absl::InternalError(Concat("a ", table.descriptor->full_name(),
                                       " is out of its range: ", std::to_string(value.seconds),
                                       " seconds, ", std::to_string(value.nanos), " nanos"));
  return false;
}

bool WireToJsonPrinter::FieldMask(const MessageTable&, const Frame& frame) {
  std::string paths;
  for (uint32_t i = slot(frame, 0).head; i != kNone; i = pieces_[i].next) {
    if (!paths.empty()) paths.push_back(',');
    paths.append(MaskPathAsJson(pieces_[i].value.bytes));
  }
  payload::AppendQuoted(out_, paths);
  return true;
}

bool WireToJsonPrinter::Value(const MessageTable& table, const Frame& frame, int depth) {
  for (size_t i = 0; i < table.fields.size(); ++i) {
    const Slot value = slot(frame, i);
    if (value.head != kNone) return Singular(table.fields[i], value, depth);
  }
  // A Value without a kind says nothing: what comes nearest.
  out_->append("null");
  return true;
}

}  // namespace covet::protojson::internal
