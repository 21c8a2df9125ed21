#include <optional>

#include "common/protojson/json_to_wire.h"
#include "common/protojson/schema.h"
#include "common/protojson/text.h"
#include "common/protojson/well_known.h"
#include "common/protojson/wire_format.h"

namespace covet::protojson::internal {

using payload::JsonKind;

bool JsonToWireWriter::Any(const MessageTable& table, const Path& path, int wire_depth) {
  if (in_.kind() != JsonKind::kObject) return WrongType(path, "an object with @type");
  const Path type_path{&path, "@type", -1, true};
  // The type may come after the fields: look for it first.
  const JsonCursor begin = in_;
  std::optional<std::string> url;
  std::string storage;
  bool empty = true;
  for (bool more = in_.Enter(); more; more = in_.Next()) {
    empty = false;
    std::string_view raw, key;
    bool escaped;
    in_.Key(&raw, &escaped);
    if (!Unescaped(raw, escaped, &storage, &key, path)) return false;
    if (key != "@type") {
      in_.Skip();
      continue;
    }
    if (url.has_value()) return Fail(type_path, "one value", "the field twice");
    std::string_view text;
    if (!String(&storage, &text, type_path, "a string")) return false;
    url = text;
  }
  if (empty) return true;
  if (!url.has_value()) return Fail(type_path, "the type of the message", "none");
  const MessageCodec* const codec = table.schema->FindMessage(TypeOfUrl(*url));
  if (codec == nullptr || TypeOfUrl(*url).size() == url->size()) {
    return Fail(type_path, "type.googleapis.com/ and a message type that the backend knows",
                Concat("\"", *url, "\""));
  }
  const MessageTable& content_table = codec->table();
  const JsonCursor end = in_;
  in_ = begin;
  AppendVarint(out_, table.fields[0].tag);
  AppendVarint(out_, url->size());
  out_->append(*url);
  AppendVarint(out_, table.fields[1].tag);
  Delimited content(out_);
  if (content_table.well_known == WellKnown::kNone) {
    if (!Object(content_table, path, wire_depth + 1, true)) return false;
  } else {
    // Protobuf's own printer leaves out a `value` that is empty.
    const Path value_path{&path, "value"};
    bool found = false;
    for (bool more = in_.Enter(); more; more = in_.Next()) {
      std::string_view raw, key;
      bool escaped;
      in_.Key(&raw, &escaped);
      if (!Unescaped(raw, escaped, &storage, &key, path)) return false;
      if (key == "@type") {
        in_.Skip();
      } else if (key != "value") {
        return Fail(Path{&path, key, -1, true}, "the fields @type and value", key);
      } else if (found) {
        return Fail(value_path, "one value", "the field twice");
      } else {
        found = true;
        if (!Message(content_table, value_path, wire_depth + 1)) return false;
      }
    }
  }
  content.Close();
  in_ = end;
  return true;
}

void JsonToWireWriter::SecondsAndNanos(int64_t seconds, int32_t nanos) {
  if (seconds != 0) {
    out_->push_back(static_cast<char>(1 << 3 | kVarint));
    AppendVarint(out_, static_cast<uint64_t>(seconds));
  }
  if (nanos != 0) {
    out_->push_back(static_cast<char>(2 << 3 | kVarint));
    AppendVarint(out_, static_cast<uint64_t>(int64_t{nanos}));
  }
}

bool JsonToWireWriter::Duration(const Path& path) {
  constexpr std::string_view kExpected = "a duration such as \"1.5s\"";
  if (in_.kind() != JsonKind::kString) return WrongType(path, kExpected);
  const JsonCursor begin = in_;
  std::string storage;
  std::string_view text;
  if (!String(&storage, &text, path, kExpected)) return false;
  SecondsNanos value;
  if (!ParseDuration(text, &value)) {
    in_ = begin;
    return WrongValue(path, kExpected);
  }
  SecondsAndNanos(value.seconds, value.nanos);
  return true;
}

bool JsonToWireWriter::Timestamp(const Path& path) {
  constexpr std::string_view kExpected = "an RFC 3339 timestamp";
  if (in_.kind() != JsonKind::kString) return WrongType(path, kExpected);
  const JsonCursor begin = in_;
  std::string storage;
  std::string_view text;
  if (!String(&storage, &text, path, kExpected)) return false;
  SecondsNanos value;
  if (!ParseTimestamp(text, &value)) {
    in_ = begin;
    return WrongValue(path, kExpected);
  }
  SecondsAndNanos(value.seconds, value.nanos);
  return true;
}

bool JsonToWireWriter::FieldMask(const MessageTable& table, const Path& path) {
  std::string storage;
  std::string_view text;
  if (!String(&storage, &text, path, "a string of paths with commas between")) return false;
  while (!text.empty()) {
    const size_t comma = text.find(',');
    const std::string_view mask_path = text.substr(0, comma);
    AppendVarint(out_, table.fields[0].tag);
    Delimited content(out_);
    AppendMaskPathAsProto(mask_path, out_);
    content.Close();
    if (comma == text.npos) break;
    text.remove_prefix(comma + 1);
  }
  return true;
}

bool JsonToWireWriter::Value(const MessageTable& table, const Path& path, int wire_depth) {
  // Fields 1 to 6: null, number, string, bool, struct, list.
  switch (in_.kind()) {
    case JsonKind::kNull:
      in_.Scalar();
      AppendVarint(out_, table.fields[0].tag);
      AppendVarint(out_, 0);
      return true;
    case JsonKind::kNumber:
      return Tagged(table.fields[1], path, wire_depth);
    case JsonKind::kString:
      return Tagged(table.fields[2], path, wire_depth);
    case JsonKind::kBoolean:
      return Tagged(table.fields[3], path, wire_depth);
    case JsonKind::kObject:
      return Tagged(table.fields[4], path, wire_depth);
    case JsonKind::kArray:
      return Tagged(table.fields[5], path, wire_depth);
  }
  return false;
}

}  // namespace covet::protojson::internal
