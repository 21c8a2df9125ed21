#include "common/protojson/compile.h"

#include <algorithm>
#include <string>

#include "common/payload/json_writer.h"

namespace covet::protojson::internal {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::EnumDescriptor;
using google::protobuf::FieldDescriptor;

// A field that a well-known type must have, at its place in the source.
struct Shape {
  int number;
  FieldType type;
  bool repeated = false;
};

bool HasShape(const Descriptor& message, std::initializer_list<Shape> shapes) {
  if (message.field_count() != static_cast<int>(shapes.size())) return false;
  int index = 0;
  for (const Shape& shape : shapes) {
    const FieldDescriptor& field = *message.field(index++);
    if (field.number() != shape.number || field.type() != shape.type ||
        field.is_repeated() != shape.repeated) {
      return false;
    }
  }
  return true;
}

}  // namespace

WellKnown WellKnownOf(const Descriptor& message) {
  std::string_view name = message.full_name();
  constexpr std::string_view kPackage = "google.protobuf.";
  if (!name.starts_with(kPackage)) return WellKnown::kNone;
  name.remove_prefix(kPackage.size());
  constexpr auto kMessage = FieldType::TYPE_MESSAGE;
  constexpr auto kString = FieldType::TYPE_STRING;
  const auto is = [&](std::string_view wanted, std::initializer_list<Shape> shapes) {
    return name == wanted && HasShape(message, shapes);
  };
  const auto holds = [&](int index, std::string_view type) {
    return message.field(index)->message_type()->full_name() == type;
  };
  if (is("Any", {{1, kString}, {2, FieldType::TYPE_BYTES}})) return WellKnown::kAny;
  if (is("FieldMask", {{1, kString, true}})) return WellKnown::kFieldMask;
  if (is("Struct", {{1, kMessage, true}}) && message.field(0)->is_map() &&
      message.field(0)->message_type()->map_key()->type() == kString &&
      message.field(0)->message_type()->map_value()->type() == kMessage &&
      message.field(0)->message_type()->map_value()->message_type()->full_name() ==
          "google.protobuf.Value") {
    return WellKnown::kStruct;
  }
  if (is("ListValue", {{1, kMessage, true}}) && holds(0, "google.protobuf.Value")) {
    return WellKnown::kListValue;
  }
  if (is("Value", {{1, FieldType::TYPE_ENUM},
                   {2, FieldType::TYPE_DOUBLE},
                   {3, kString},
                   {4, FieldType::TYPE_BOOL},
                   {5, kMessage},
                   {6, kMessage}}) &&
      message.real_oneof_decl_count() == 1 && message.oneof_decl(0)->field_count() == 6 &&
      holds(4, "google.protobuf.Struct") && holds(5, "google.protobuf.ListValue")) {
    return WellKnown::kValue;
  }
  for (const std::string_view time : {"Duration", "Timestamp"}) {
    if (is(time, {{1, FieldType::TYPE_INT64}, {2, FieldType::TYPE_INT32}})) {
      return time == "Duration" ? WellKnown::kDuration : WellKnown::kTimestamp;
    }
  }
  constexpr std::pair<std::string_view, FieldType> kWrappers[] = {
      {"DoubleValue", FieldType::TYPE_DOUBLE}, {"FloatValue", FieldType::TYPE_FLOAT},
      {"Int64Value", FieldType::TYPE_INT64},   {"UInt64Value", FieldType::TYPE_UINT64},
      {"Int32Value", FieldType::TYPE_INT32},   {"UInt32Value", FieldType::TYPE_UINT32},
      {"BoolValue", FieldType::TYPE_BOOL},     {"StringValue", FieldType::TYPE_STRING},
      {"BytesValue", FieldType::TYPE_BYTES},
  };
  for (const auto& [wrapper, type] : kWrappers) {
    if (is(wrapper, {{1, type}})) return WellKnown::kWrapper;
  }
  return WellKnown::kNone;
}

uint32_t WireTypeOf(FieldType type) {
  switch (type) {
    case FieldType::TYPE_DOUBLE:
    case FieldType::TYPE_FIXED64:
    case FieldType::TYPE_SFIXED64:
      return 1;
    case FieldType::TYPE_STRING:
    case FieldType::TYPE_BYTES:
    case FieldType::TYPE_MESSAGE:
      return 2;
    case FieldType::TYPE_GROUP:
      return 3;
    case FieldType::TYPE_FLOAT:
    case FieldType::TYPE_FIXED32:
    case FieldType::TYPE_SFIXED32:
      return 5;
    default:
      return 0;
  }
}

void Compiler::AddFile(const google::protobuf::FileDescriptor& file) {
  for (int i = 0; i < file.message_type_count(); ++i) AddMessage(*file.message_type(i));
}

MessageTable* Compiler::TableOf(const Descriptor* message) {
  MessageTable*& table = by_message_[message];
  if (table == nullptr) {
    messages_.push_back(std::make_unique<MessageTable>());
    table = messages_.back().get();
    table->descriptor = message;
    table->schema = schema_;
  }
  return table;
}

const EnumTable* Compiler::TableOf(const EnumDescriptor* type) {
  const EnumTable*& found = by_enum_[type];
  if (found != nullptr) return found;
  auto table = std::make_unique<EnumTable>();
  table->descriptor = type;
  table->closed = type->file()->syntax() != google::protobuf::FileDescriptor::SYNTAX_PROTO3;
  table->null_value = type->full_name() == "google.protobuf.NullValue";
  for (int i = 0; i < type->value_count(); ++i) {
    const auto& value = *type->value(i);
    table->by_name.emplace(value.name(), value.number());
    table->by_number.emplace(value.number(), value.name());
  }
  found = table.get();
  enums_.push_back(std::move(table));
  return found;
}

// Recursion is as deep as types nest, which Protobuf's parser has bounded at 100.
void Compiler::AddMessage(const Descriptor& message) {
  MessageTable& table = *TableOf(&message);
  table.well_known = WellKnownOf(message);
  table.oneofs = static_cast<size_t>(message.real_oneof_decl_count());
  table.fields.reserve(static_cast<size_t>(message.field_count()));
  uint32_t dense = 0;
  for (int i = 0; i < message.field_count(); ++i) {
    table.fields.push_back(MakeField(*message.field(i)));
    const uint32_t number = table.fields.back().number;
    if (number < MessageTable::kDense) dense = std::max(dense, number + 1);
  }
  table.dense.assign(dense, -1);
  for (int32_t i = 0; i < message.field_count(); ++i) {
    const FieldTable& field = table.fields[static_cast<size_t>(i)];
    if (field.number < dense) {
      table.dense[field.number] = i;
    } else {
      table.sparse.emplace(field.number, i);
    }
    if (field.required) table.required.push_back(i);
    table.by_name.emplace(field.name, i);
  }
  // A proto name wins over another field's JSON name.
  for (int32_t i = 0; i < message.field_count(); ++i) {
    table.by_name.emplace(message.field(i)->json_name(), i);
  }
  for (int i = 0; i < message.nested_type_count(); ++i) AddMessage(*message.nested_type(i));
}

FieldTable Compiler::MakeField(const FieldDescriptor& field) {
  FieldTable table;
  table.name = field.name();
  payload::AppendQuoted(&table.key, field.name());
  table.key.push_back(':');
  table.number = static_cast<uint32_t>(field.number());
  table.type = field.type();
  table.repeated = field.is_repeated();
  table.map = field.is_map();
  table.packed = field.is_packed();
  table.presence = field.has_presence();
  table.required = field.is_required();
  table.tag = table.number << 3 | (table.packed ? 2 : WireTypeOf(table.type));
  if (field.real_containing_oneof() != nullptr)
    table.oneof = field.real_containing_oneof()->index();
  if (field.enum_type() != nullptr) table.enums = TableOf(field.enum_type());
  if (field.message_type() != nullptr) table.message = TableOf(field.message_type());
  return table;
}

}  // namespace covet::protojson::internal
