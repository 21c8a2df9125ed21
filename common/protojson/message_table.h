#pragma once

#include <google/protobuf/descriptor.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"

// Internal to protojson: message types as the transcoder runs over them. Built by Schema, then
// immutable. Views point into the schema's descriptors.
namespace covet::protojson {

class Schema;

namespace internal {

using FieldType = google::protobuf::FieldDescriptor::Type;

// Types whose JSON form is their own. Only where a message of that name has the fields that
// google/protobuf/*.proto give it; else it is a message like any other.
enum class WellKnown : uint8_t {
  kNone,
  kAny,
  kDuration,
  kFieldMask,
  kListValue,
  kStruct,
  kTimestamp,
  kValue,
  kWrapper,
};

struct EnumTable {
  const google::protobuf::EnumDescriptor* descriptor = nullptr;
  absl::flat_hash_map<std::string_view, int32_t> by_name;
  absl::flat_hash_map<int32_t, std::string_view> by_number;  // Of aliases the first.
  bool closed = false;                                       // proto2: no other numbers.
  bool null_value = false;                                   // google.protobuf.NullValue
};

struct MessageTable;

struct FieldTable {
  std::string_view name;
  std::string key;  // `"name":`
  uint32_t number = 0;
  uint32_t tag = 0;  // Of one value; a packed field's is that of the whole.
  FieldType type = FieldType::TYPE_INT32;
  bool repeated = false;  // Maps too.
  bool map = false;
  bool packed = false;    // When written. When read, both forms are taken.
  bool presence = false;  // Printed only where it is set.
  bool required = false;  // proto2
  int32_t oneof = -1;     // Index among the message's real oneofs.
  const EnumTable* enums = nullptr;
  const MessageTable* message = nullptr;  // Of a map: its entry, with fields `key` and `value`.
};

struct MessageTable {
  // Numbers from 1 to this are found by index.
  static constexpr uint32_t kDense = 128;

  const google::protobuf::Descriptor* descriptor = nullptr;
  const Schema* schema = nullptr;
  WellKnown well_known = WellKnown::kNone;
  std::vector<FieldTable> fields;  // In the order of the source.
  std::vector<int32_t> dense;      // Index in `fields` by number, -1 for none.
  absl::flat_hash_map<uint32_t, int32_t> sparse;
  absl::flat_hash_map<std::string_view, int32_t> by_name;  // Both spellings.
  std::vector<int32_t> required;
  size_t oneofs = 0;

  // Index in `fields`, or -1.
  int32_t FindNumber(uint32_t number) const {
    if (number < dense.size()) return dense[number];
    if (sparse.empty()) return -1;
    const auto it = sparse.find(number);
    return it == sparse.end() ? -1 : it->second;
  }
  // `guess` is where the name is looked for first, for fields mostly come in order.
  int32_t FindName(std::string_view name, size_t guess) const {
    if (guess < fields.size() && fields[guess].name == name) return static_cast<int32_t>(guess);
    const auto it = by_name.find(name);
    return it == by_name.end() ? -1 : it->second;
  }
};

// 0 varint, 1 64-bit, 2 length-delimited, 3 group, 5 32-bit.
uint32_t WireTypeOf(FieldType type);

}  // namespace internal
}  // namespace covet::protojson
