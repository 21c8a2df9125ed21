#include "common/protojson/json_to_wire.h"

#include <bit>
#include <limits>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "common/errors/error.h"
#include "common/protojson/base64.h"
#include "common/protojson/message_codec.h"
#include "common/protojson/number.h"
#include "common/protojson/text.h"
#include "common/protojson/wire_format.h"

namespace covet::protojson::internal {
namespace {

using payload::JsonKind;

// What Protobuf's parsers take by default.
constexpr int kMaxWireDepth = 100;

std::string_view ExpectedInteger(FieldType type) {
  switch (type) {
    case FieldType::TYPE_INT32:
    case FieldType::TYPE_SINT32:
    case FieldType::TYPE_SFIXED32:
      return "an integer of 32 bits";
    case FieldType::TYPE_UINT32:
    case FieldType::TYPE_FIXED32:
      return "an unsigned integer of 32 bits";
    case FieldType::TYPE_UINT64:
    case FieldType::TYPE_FIXED64:
      return "an unsigned integer of 64 bits";
    default:
      return "an integer of 64 bits";
  }
}

bool IsPlainName(std::string_view name) {
  for (const char c : name) {
    if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_')) {
      return false;
    }
  }
  return !name.empty();
}

void AppendPath(const Path& path, std::string* out) {
  if (path.parent != nullptr) AppendPath(*path.parent, out);
  if (path.index >= 0) {
    out->append(Concat("[", std::to_string(path.index), "]"));
  } else if (path.map_key && !IsPlainName(path.name)) {
    out->append(Concat("[\"", path.name, "\"]"));
  } else {
    if (!out->empty()) out->push_back('.');
    out->append(path.name);
  }
}

// At a character's boundary.
std::string Cut(std::string_view text) {
  constexpr size_t kMax = 64;
  if (text.size() <= kMax) return std::string(text);
  size_t size = kMax;
  while (size > 0 && (static_cast<uint8_t>(text[size]) & 0xC0) == 0x80) --size;
  return Concat(text.substr(0, size), "…");
}

}  // namespace

bool JsonToWireWriter::Message(const MessageTable& table, const Path& path, int wire_depth) {
  if (wire_depth > kMaxWireDepth) return Fail(path, "messages nested less deep", "more");
  switch (table.well_known) {
    case WellKnown::kNone:
      return Object(table, path, wire_depth, false);
    case WellKnown::kAny:
      return Any(table, path, wire_depth);
    case WellKnown::kDuration:
      return Duration(path);
    case WellKnown::kFieldMask:
      return FieldMask(table, path);
    case WellKnown::kListValue:
      return Repeated(table.fields[0], path, wire_depth);
    case WellKnown::kStruct:
      return Map(table.fields[0], path, wire_depth);
    case WellKnown::kTimestamp:
      return Timestamp(path);
    case WellKnown::kValue:
      return Value(table, path, wire_depth);
    case WellKnown::kWrapper:
      return Tagged(table.fields[0], path, wire_depth);
  }
  return false;
}

bool JsonToWireWriter::Object(const MessageTable& table, const Path& path, int wire_depth,
                              bool any) {
  if (in_.kind() != JsonKind::kObject) return WrongType(path, "an object");
  Seen seen(table);
  size_t guess = 0;
  std::string storage;
  for (bool more = in_.Enter(); more; more = in_.Next()) {
    std::string_view raw, key;
    bool escaped;
    in_.Key(&raw, &escaped);
    if (!Unescaped(raw, escaped, &storage, &key, path)) return false;
    const int32_t index = table.FindName(key, guess);
    if (index < 0) {
      if (any && key == "@type") {
        in_.Skip();
        continue;
      }
      const Path unknown{&path, key, -1, true};
      std::string name;
      AppendPath(unknown, &name);
      return FailText(
          unknown,
          Concat(name, " is unknown: ", table.descriptor->full_name(), " has no such field"),
          Concat("a field of ", table.descriptor->full_name()), Cut(key));
    }
    guess = static_cast<size_t>(index) + 1;
    if (!Member(table, index, path, wire_depth, &seen)) return false;
  }
  return table.required.empty() || Required(table, path, seen);
}

bool JsonToWireWriter::Member(const MessageTable& table, int32_t index, const Path& path,
                              int wire_depth, Seen* seen) {
  const FieldTable& field = table.fields[static_cast<size_t>(index)];
  const Path here{&path, field.name};
  uint64_t& word = seen->fields[static_cast<size_t>(index) / 64];
  const uint64_t bit = uint64_t{1} << (index % 64);
  if (word & bit) return Fail(here, "one value", "the field twice");
  word |= bit;
  if (AtNull() &&
      !(field.message != nullptr && field.message->well_known == WellKnown::kValue &&
        !field.repeated) &&
      !(field.enums != nullptr && field.enums->null_value && !field.repeated)) {
    in_.Scalar();
    if (field.required) word &= ~bit;
    return true;
  }
  if (field.oneof >= 0) {
    int32_t& set = seen->oneofs[static_cast<size_t>(field.oneof)];
    if (set >= 0) {
      return Fail(
          here,
          Concat("one field of the oneof ", table.descriptor->oneof_decl(field.oneof)->name()),
          Concat(table.fields[static_cast<size_t>(set)].name, " as well"));
    }
    set = index;
  }
  if (field.map) return Map(field, here, wire_depth);
  if (field.repeated) return Repeated(field, here, wire_depth);
  return Tagged(field, here, wire_depth);
}

bool JsonToWireWriter::Required(const MessageTable& table, const Path& path, const Seen& seen) {
  for (const int32_t index : table.required) {
    if (seen.fields[static_cast<size_t>(index) / 64] >> (index % 64) & 1) continue;
    const Path here{&path, table.fields[static_cast<size_t>(index)].name};
    return Fail(here, "a value, for the field is required", "none");
  }
  return true;
}

bool JsonToWireWriter::Repeated(const FieldTable& field, const Path& path, int wire_depth) {
  if (in_.kind() != JsonKind::kArray) return WrongType(path, "an array");
  if (!in_.Enter()) return true;
  Path element{&path, {}, 0};
  if (!field.packed) {
    do {
      if (!Tagged(field, element, wire_depth)) return false;
      ++element.index;
    } while (in_.Next());
    return true;
  }
  AppendVarint(out_, field.tag);
  Delimited all(out_);
  do {
    if (!Scalar(field, element)) return false;
    ++element.index;
  } while (in_.Next());
  all.Close();
  return true;
}

bool JsonToWireWriter::Map(const FieldTable& field, const Path& path, int wire_depth) {
  if (in_.kind() != JsonKind::kObject) return WrongType(path, "an object");
  const FieldTable& key_field = field.message->fields[0];
  const FieldTable& value_field = field.message->fields[1];
  absl::flat_hash_set<std::string> seen;  // Keys as they are on the wire: "1" and "1.0" are one.
  std::string storage;
  for (bool more = in_.Enter(); more; more = in_.Next()) {
    std::string_view raw, key;
    bool escaped;
    in_.Key(&raw, &escaped);
    if (!Unescaped(raw, escaped, &storage, &key, path)) return false;
    const Path here{&path, key, -1, true};
    AppendVarint(out_, field.tag);
    Delimited entry(out_);
    const size_t key_at = out_->size();
    if (!MapKey(key_field, key, here)) return false;
    if (!seen.emplace(*out_, key_at).second) return Fail(here, "one value", "the key twice");
    if (!Tagged(value_field, here, wire_depth + 1)) return false;
    entry.Close();
  }
  return true;
}

bool JsonToWireWriter::MapKey(const FieldTable& field, std::string_view key, const Path& path) {
  AppendVarint(out_, field.tag);
  switch (field.type) {
    case FieldType::TYPE_STRING:
      AppendVarint(out_, key.size());
      out_->append(key);
      return true;
    case FieldType::TYPE_BOOL:
      if (key != "true" && key != "false") return Fail(path, "the key true or false", Cut(key));
      out_->push_back(key == "true" ? 1 : 0);
      return true;
    default:
      if (!IsNumber(key)) return Fail(path, ExpectedInteger(field.type), Cut(key));
      return PutInt(field, key, path, key);
  }
}

bool JsonToWireWriter::Tagged(const FieldTable& field, const Path& path, int wire_depth) {
  AppendVarint(out_, field.tag);
  if (field.type == FieldType::TYPE_MESSAGE) {
    Delimited content(out_);
    if (!Message(*field.message, path, wire_depth + 1)) return false;
    content.Close();
    return true;
  }
  if (field.type == FieldType::TYPE_GROUP) {
    if (!Message(*field.message, path, wire_depth + 1)) return false;
    AppendVarint(out_, field.number << 3 | kEndGroup);
    return true;
  }
  return Scalar(field, path);
}

bool JsonToWireWriter::Scalar(const FieldTable& field, const Path& path) {
  switch (field.type) {
    case FieldType::TYPE_DOUBLE:
    case FieldType::TYPE_FLOAT:
      return Real(field, path);
    case FieldType::TYPE_BOOL:
      return Bool(path);
    case FieldType::TYPE_STRING:
      return Text(path);
    case FieldType::TYPE_BYTES:
      return Bytes(path);
    case FieldType::TYPE_ENUM:
      return Enum(*field.enums, path);
    default:
      return Int(field, path);
  }
}

bool JsonToWireWriter::Int(const FieldTable& field, const Path& path) {
  const std::string_view expected = ExpectedInteger(field.type);
  if (in_.kind() == JsonKind::kNumber) {
    const std::string_view number = in_.Scalar();
    return PutInt(field, number, path, number);
  }
  if (in_.kind() != JsonKind::kString) return WrongType(path, expected);
  std::string storage;
  std::string_view text;
  if (!String(&storage, &text, path, expected)) return false;
  if (!IsNumber(text)) return Fail(path, expected, Concat("\"", Cut(text), "\""));
  return PutInt(field, text, path, text);
}

bool JsonToWireWriter::PutInt(const FieldTable& field, std::string_view number, const Path& path,
                              std::string_view received) {
  const auto fail = [&] { return Fail(path, ExpectedInteger(field.type), Cut(received)); };
  Integer integer;
  if (!ParseInteger(number, &integer)) return fail();
  const bool negative = integer.negative && integer.magnitude != 0;
  const uint64_t magnitude = integer.magnitude;
  switch (field.type) {
    case FieldType::TYPE_UINT32:
    case FieldType::TYPE_FIXED32:
      if (negative || magnitude > std::numeric_limits<uint32_t>::max()) return fail();
      break;
    case FieldType::TYPE_UINT64:
    case FieldType::TYPE_FIXED64:
      if (negative) return fail();
      break;
    case FieldType::TYPE_INT32:
    case FieldType::TYPE_SINT32:
    case FieldType::TYPE_SFIXED32:
      if (magnitude > (uint64_t{1} << 31) - (negative ? 0 : 1)) return fail();
      break;
    default:
      if (magnitude > (uint64_t{1} << 63) - (negative ? 0 : 1)) return fail();
  }
  const uint64_t value = negative ? ~magnitude + 1 : magnitude;
  switch (field.type) {
    case FieldType::TYPE_FIXED32:
    case FieldType::TYPE_SFIXED32:
      AppendFixed(out_, static_cast<uint32_t>(value));
      return true;
    case FieldType::TYPE_FIXED64:
    case FieldType::TYPE_SFIXED64:
      AppendFixed(out_, value);
      return true;
    case FieldType::TYPE_SINT32:
    case FieldType::TYPE_SINT64:
      AppendVarint(out_, ZigZag(static_cast<int64_t>(value)));
      return true;
    default:
      AppendVarint(out_, value);
      return true;
  }
}

bool JsonToWireWriter::Real(const FieldTable& field, const Path& path) {
  constexpr std::string_view kExpected = "a number";
  std::string storage;
  std::string_view text;
  double value = 0;
  bool special = false;
  if (in_.kind() == JsonKind::kNumber) {
    text = in_.Scalar();
  } else if (in_.kind() == JsonKind::kString) {
    if (!String(&storage, &text, path, kExpected)) return false;
    special = true;
    if (text == "NaN") {
      value = std::numeric_limits<double>::quiet_NaN();
    } else if (text == "Infinity") {
      value = std::numeric_limits<double>::infinity();
    } else if (text == "-Infinity") {
      value = -std::numeric_limits<double>::infinity();
    } else if (IsNumber(text)) {
      special = false;
    } else {
      return Fail(path, "a number, \"NaN\", \"Infinity\" or \"-Infinity\"",
                  Concat("\"", Cut(text), "\""));
    }
  } else {
    return WrongType(path, kExpected);
  }
  const bool narrow = field.type == FieldType::TYPE_FLOAT;
  float narrow_value = static_cast<float>(value);
  RealError error = RealError::kNone;
  if (!special) error = narrow ? ParseFloat(text, &narrow_value) : ParseDouble(text, &value);
  if (error != RealError::kNone) {
    return Fail(path,
                Concat(error == RealError::kTooLarge ? "a number in the range of a "
                                                     : "an integer that loses no digits in a ",
                       narrow ? "float" : "double"),
                Cut(text));
  }
  if (narrow) {
    AppendFixed(out_, std::bit_cast<uint32_t>(narrow_value));
  } else {
    AppendFixed(out_, std::bit_cast<uint64_t>(value));
  }
  return true;
}

bool JsonToWireWriter::Bool(const Path& path) {
  if (in_.kind() != JsonKind::kBoolean) return WrongType(path, "a boolean");
  out_->push_back(in_.Scalar() == "true" ? 1 : 0);
  return true;
}

bool JsonToWireWriter::Text(const Path& path) {
  if (in_.kind() != JsonKind::kString) return WrongType(path, "a string");
  std::string_view raw;
  bool escaped;
  in_.String(&raw, &escaped);
  if (!escaped) {
    AppendVarint(out_, raw.size());
    out_->append(raw);
    return true;
  }
  Delimited content(out_);
  if (!Unescape(raw, out_)) return Fail(path, "valid Unicode", "an escape of a lone surrogate");
  content.Close();
  return true;
}

bool JsonToWireWriter::Bytes(const Path& path) {
  constexpr std::string_view kExpected = "a string of base64";
  std::string storage;
  std::string_view text;
  if (!String(&storage, &text, path, kExpected)) return false;
  Delimited content(out_);
  if (!DecodeBase64(text, out_)) return Fail(path, kExpected, Concat("\"", Cut(text), "\""));
  content.Close();
  return true;
}

bool JsonToWireWriter::Enum(const EnumTable& enums, const Path& path) {
  const auto expected = [&] { return Concat("a name of ", enums.descriptor->full_name()); };
  if (enums.null_value && AtNull()) {
    in_.Scalar();
    AppendVarint(out_, 0);
    return true;
  }
  if (in_.kind() == JsonKind::kString) {
    std::string storage;
    std::string_view text;
    if (!String(&storage, &text, path, "a string")) return false;
    const auto it = enums.by_name.find(text);
    if (it == enums.by_name.end()) {
      return Fail(path, expected(), Concat("\"", Cut(text), "\""));
    }
    AppendVarint(out_, static_cast<uint64_t>(int64_t{it->second}));
    return true;
  }
  if (in_.kind() != JsonKind::kNumber) return WrongType(path, expected());
  const std::string_view text = in_.Scalar();
  Integer integer;
  const bool whole = ParseInteger(text, &integer) &&
                     integer.magnitude <= (uint64_t{1} << 31) - (integer.negative ? 0 : 1);
  const int64_t number = integer.negative ? -static_cast<int64_t>(integer.magnitude & 0xFFFFFFFF)
                                          : static_cast<int64_t>(integer.magnitude & 0xFFFFFFFF);
  if (!whole || (enums.closed && !enums.by_number.contains(static_cast<int32_t>(number)))) {
    return Fail(path, Concat(expected(), " or its number"), Cut(text));
  }
  AppendVarint(out_, static_cast<uint64_t>(number));
  return true;
}

bool JsonToWireWriter::String(std::string* storage, std::string_view* text, const Path& path,
                              std::string_view expected) {
  if (in_.kind() != JsonKind::kString) return WrongType(path, expected);
  std::string_view raw;
  bool escaped;
  in_.String(&raw, &escaped);
  return Unescaped(raw, escaped, storage, text, path);
}

bool JsonToWireWriter::Unescaped(std::string_view raw, bool escaped, std::string* storage,
                                 std::string_view* text, const Path& path) {
  *text = raw;
  if (!escaped) return true;
  storage->clear();
  if (!Unescape(raw, storage)) return Fail(path, "valid Unicode", "an escape of a lone surrogate");
  *text = *storage;
  return true;
}

bool JsonToWireWriter::Fail(const Path& path, std::string_view expected,
                            std::string_view received) {
  std::string name;
  AppendPath(path, &name);
  return FailText(path, Concat(name, ": expected ", expected, ", received ", received), expected,
                  received);
}

bool JsonToWireWriter::WrongType(const Path& path, std::string_view expected) {
  return Fail(path, expected, payload::JsonKindName(in_.kind()));
}

bool JsonToWireWriter::WrongValue(const Path& path, std::string_view expected) {
  return Fail(path, expected, Cut(in_.Skip()));
}

bool JsonToWireWriter::FailText(const Path& path, std::string_view message,
                                std::string_view expected, std::string_view received) {
  std::string name;
  AppendPath(path, &name);
  status_ = MakeError(ErrorCode::kInvalidArgument, message,
                      {{"field", std::move(name)},
                       {"expected", std::string(expected)},
                       {"received", std::string(received)}});
  return false;
}

}  // namespace covet::protojson::internal
