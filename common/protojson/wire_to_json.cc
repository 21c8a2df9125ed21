#include "common/protojson/wire_to_json.h"

#include <bit>
#include <charconv>
#include <cmath>
#include <limits>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "common/errors/error.h"
#include "common/payload/json_writer.h"
#include "common/protojson/base64.h"
#include "common/protojson/message_codec.h"
#include "common/protojson/text.h"

namespace covet::protojson::internal {
namespace {

bool IsPackable(FieldType type) {
  return WireTypeOf(type) != kDelimited && WireTypeOf(type) != kStartGroup;
}

template <typename T>
void AppendNumber(std::string* out, T value) {
  char digits[24];
  const auto end = std::to_chars(digits, digits + sizeof digits, value);
  out->append(digits, end.ptr);
}

template <typename T>
void AppendQuotedNumber(std::string* out, T value) {
  out->push_back('"');
  AppendNumber(out, value);
  out->push_back('"');
}

void AppendBool(std::string* out, bool value) { out->append(value ? "true" : "false"); }

// A value as the field's type holds it: what is too wide is cut.
uint64_t Normalized(FieldType type, uint64_t bits) {
  switch (type) {
    case FieldType::TYPE_INT32:
    case FieldType::TYPE_ENUM:
    case FieldType::TYPE_SFIXED32:
      return static_cast<uint64_t>(int64_t{static_cast<int32_t>(bits)});
    case FieldType::TYPE_SINT32:
      return static_cast<uint64_t>(
          int64_t{static_cast<int32_t>(UnZigZag(static_cast<uint32_t>(bits)))});
    case FieldType::TYPE_SINT64:
      return static_cast<uint64_t>(UnZigZag(bits));
    case FieldType::TYPE_UINT32:
    case FieldType::TYPE_FIXED32:
      return static_cast<uint32_t>(bits);
    case FieldType::TYPE_BOOL:
      return bits != 0 ? 1 : 0;
    default:
      return bits;
  }
}

}  // namespace

bool WireToJsonPrinter::Message(const MessageTable& table, std::string_view wire, int depth) {
  if (depth > kMaxDepth) return TooDeep();
  if (!HasRoom()) return false;
  const Frame frame(this);
  if (!Collect(table, wire, frame)) return false;
  switch (table.well_known) {
    case WellKnown::kNone:
      if (depth == kMaxDepth) return TooDeep();
      out_->push_back('{');
      if (!Fields(table, frame, depth + 1)) return false;
      out_->push_back('}');
      return true;
    case WellKnown::kAny:
      return Any(table, frame, depth);
    case WellKnown::kDuration:
    case WellKnown::kTimestamp:
      return Time(table, frame);
    case WellKnown::kFieldMask:
      return FieldMask(table, frame);
    case WellKnown::kListValue:
      return Repeated(table.fields[0], slot(frame, 0), depth);
    case WellKnown::kStruct:
      return Map(table.fields[0], slot(frame, 0), depth);
    case WellKnown::kValue:
      return Value(table, frame, depth);
    case WellKnown::kWrapper:
      Scalar(table.fields[0], Last(slot(frame, 0)));
      return true;
  }
  return false;
}

bool WireToJsonPrinter::Collect(const MessageTable& table, std::string_view wire,
                                const Frame& frame) {
  slots_.resize(frame.slots + table.fields.size());
  absl::InlinedVector<int32_t, 4> oneofs(table.oneofs, -1);
  WireReader in(wire);
  while (!in.done()) {
    WireValue value;
    if (!in.Next(&value)) return Malformed(table);
    const int32_t index = table.FindNumber(value.number);
    if (index < 0) continue;
    const FieldTable& field = table.fields[static_cast<size_t>(index)];
    // A value of another wire type than the field's counts as an unknown field.
    if (value.wire_type != WireTypeOf(field.type) &&
        !(field.repeated && value.wire_type == kDelimited && IsPackable(field.type))) {
      continue;
    }
    if (field.oneof >= 0) {
      int32_t& set = oneofs[static_cast<size_t>(field.oneof)];
      if (set >= 0 && set != index) slots_[frame.slots + static_cast<size_t>(set)] = Slot();
      set = index;
    }
    Add(frame.slots + static_cast<size_t>(index), value);
  }
  return true;
}

void WireToJsonPrinter::Add(size_t slot, const WireValue& value) {
  const auto added = static_cast<uint32_t>(pieces_.size());
  pieces_.push_back({value});
  Slot& target = slots_[slot];
  if (target.head == kNone) {
    target.head = added;
  } else {
    pieces_[target.tail].next = added;
  }
  target.tail = added;
}

WireValue WireToJsonPrinter::Last(Slot slot) const {
  return slot.tail == kNone ? WireValue() : pieces_[slot.tail].value;
}

bool WireToJsonPrinter::Fields(const MessageTable& table, const Frame& frame, int depth) {
  for (size_t i = 0; i < table.fields.size(); ++i) {
    const FieldTable& field = table.fields[i];
    const Slot values = slot(frame, i);
    if (values.head == kNone && field.presence) continue;
    if (out_->back() != '{') out_->push_back(',');
    out_->append(field.key);
    if (field.map) {
      if (!Map(field, values, depth)) return false;
    } else if (field.repeated) {
      if (!Repeated(field, values, depth)) return false;
    } else if (!Singular(field, values, depth)) {
      return false;
    }
  }
  return true;
}

bool WireToJsonPrinter::Singular(const FieldTable& field, Slot slot, int depth) {
  if (field.message == nullptr) {
    Scalar(field, Last(slot));
    return true;
  }
  if (slot.head == slot.tail) return Message(*field.message, Last(slot).bytes, depth);
  // Messages that came in pieces merge, which is what their bytes do one after another.
  std::string merged;
  for (uint32_t i = slot.head; i != kNone; i = pieces_[i].next) {
    merged.append(pieces_[i].value.bytes);
  }
  return Message(*field.message, merged, depth);
}

bool WireToJsonPrinter::Repeated(const FieldTable& field, Slot slot, int depth) {
  if (depth == kMaxDepth) return TooDeep();
  out_->push_back('[');
  bool first = true;
  for (uint32_t i = slot.head; i != kNone; i = pieces_[i].next) {
    if (!HasRoom()) return false;
    const WireValue value = pieces_[i].value;
    if (value.wire_type == kDelimited && IsPackable(field.type)) {
      if (!Packed(field, value.bytes, &first)) return false;
      continue;
    }
    if (!first) out_->push_back(',');
    first = false;
    if (field.message == nullptr) {
      Scalar(field, value);
    } else if (!Message(*field.message, value.bytes, depth + 1)) {
      return false;
    }
  }
  out_->push_back(']');
  return true;
}

bool WireToJsonPrinter::Packed(const FieldTable& field, std::string_view bytes, bool* first) {
  WireReader in(bytes);
  WireValue value;
  value.wire_type = WireTypeOf(field.type);
  while (!in.done()) {
    if (!HasRoom()) return false;
    const bool read = value.wire_type == kVarint    ? in.Varint(&value.bits)
                      : value.wire_type == kFixed64 ? in.Fixed<uint64_t>(&value.bits)
                                                    : in.Fixed<uint32_t>(&value.bits);
    if (!read) {
      status_ = absl::InternalError(Concat("the packed field ", field.name, " is malformed"));
      return false;
    }
    if (!*first) out_->push_back(',');
    *first = false;
    Scalar(field, value);
  }
  return true;
}

bool WireToJsonPrinter::Map(const FieldTable& field, Slot slot, int depth) {
  if (depth == kMaxDepth) return TooDeep();
  const MessageTable& entry = *field.message;
  const FieldTable& key_field = entry.fields[0];
  // Of entries with the same key the last counts. Keys are numbers, or text in `bytes`.
  absl::flat_hash_map<std::pair<uint64_t, std::string_view>, uint32_t> last;
  const auto key_of = [&](const Frame& frame) {
    const WireValue key = Last(this->slot(frame, 0));
    return std::pair(Normalized(key_field.type, key.bits), key.bytes);
  };
  if (slot.head != slot.tail) {
    for (uint32_t i = slot.head; i != kNone; i = pieces_[i].next) {
      const std::string_view bytes = pieces_[i].value.bytes;
      const Frame frame(this);
      if (!Collect(entry, bytes, frame)) return false;
      last[key_of(frame)] = i;
    }
  }
  out_->push_back('{');
  for (uint32_t i = slot.head; i != kNone; i = pieces_[i].next) {
    if (!HasRoom()) return false;
    const std::string_view bytes = pieces_[i].value.bytes;
    const Frame frame(this);
    if (!Collect(entry, bytes, frame)) return false;
    if (!last.empty() && last[key_of(frame)] != i) continue;
    if (out_->back() != '{') out_->push_back(',');
    MapKey(key_field, Last(this->slot(frame, 0)));
    out_->push_back(':');
    const Slot value = this->slot(frame, 1);
    if (!Singular(entry.fields[1], value, depth + 1)) return false;
  }
  out_->push_back('}');
  return true;
}

void WireToJsonPrinter::MapKey(const FieldTable& field, const WireValue& value) {
  const uint64_t bits = Normalized(field.type, value.bits);
  switch (field.type) {
    case FieldType::TYPE_STRING:
      payload::AppendQuoted(out_, value.bytes);
      return;
    case FieldType::TYPE_BOOL:
      out_->append(bits != 0 ? "\"true\"" : "\"false\"");
      return;
    case FieldType::TYPE_UINT32:
    case FieldType::TYPE_FIXED32:
    case FieldType::TYPE_UINT64:
    case FieldType::TYPE_FIXED64:
      AppendQuotedNumber(out_, bits);
      return;
    default:
      AppendQuotedNumber(out_, static_cast<int64_t>(bits));
  }
}

void WireToJsonPrinter::Scalar(const FieldTable& field, const WireValue& value) {
  const uint64_t bits = Normalized(field.type, value.bits);
  switch (field.type) {
    case FieldType::TYPE_DOUBLE:
      Real(std::bit_cast<double>(bits), false);
      return;
    case FieldType::TYPE_FLOAT:
      Real(std::bit_cast<float>(static_cast<uint32_t>(bits)), true);
      return;
    case FieldType::TYPE_BOOL:
      AppendBool(out_, bits != 0);
      return;
    case FieldType::TYPE_STRING:
      payload::AppendQuoted(out_, value.bytes);
      return;
    case FieldType::TYPE_BYTES:
      out_->push_back('"');
      AppendBase64(value.bytes, out_);
      out_->push_back('"');
      return;
    case FieldType::TYPE_ENUM: {
      if (field.enums->null_value) {
        out_->append("null");
        return;
      }
      const auto number = static_cast<int32_t>(bits);
      const auto it = field.enums->by_number.find(number);
      if (it == field.enums->by_number.end()) {
        AppendNumber(out_, number);
      } else {
        // An identifier, which needs no escaping.
        out_->push_back('"');
        out_->append(it->second);
        out_->push_back('"');
      }
      return;
    }
    case FieldType::TYPE_UINT64:
    case FieldType::TYPE_FIXED64:
      AppendQuotedNumber(out_, bits);
      return;
    case FieldType::TYPE_INT64:
    case FieldType::TYPE_SINT64:
    case FieldType::TYPE_SFIXED64:
      AppendQuotedNumber(out_, static_cast<int64_t>(bits));
      return;
    default:
      AppendNumber(out_, static_cast<int64_t>(bits));
  }
}

void WireToJsonPrinter::Real(double value, bool narrow) {
  if (std::isnan(value)) {
    out_->append("\"NaN\"");
  } else if (std::isinf(value)) {
    out_->append(value > 0 ? "\"Infinity\"" : "\"-Infinity\"");
  } else if (narrow) {
    AppendNumber(out_, static_cast<float>(value));
  } else {
    payload::AppendDouble(out_, value);
  }
}

bool WireToJsonPrinter::Malformed(const MessageTable& table) {
  status_ = absl::InternalError(
      Concat("the bytes are not a ", table.descriptor->full_name(), " message"));
  return false;
}

bool WireToJsonPrinter::HasRoom() {
  if (out_->size() <= max_size_) return true;
  status_ = MakeError(ErrorCode::kMessageTooLarge, "the message is too large as JSON");
  return false;
}

bool WireToJsonPrinter::TooDeep() {
  status_ =
      absl::InternalError(Concat("the message nests deeper than ", std::to_string(kMaxDepth)));
  return false;
}

}  // namespace covet::protojson::internal
