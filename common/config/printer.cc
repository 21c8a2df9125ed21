#include "common/config/printer.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "common/config/schema.h"
#include "common/config/values.h"

namespace covet::config {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

void EmitValue(const google::protobuf::Value& value, YAML::Emitter* out);

// By key, so that equal structs print alike.
void EmitStruct(const google::protobuf::Struct& fields, YAML::Emitter* out) {
  std::vector<std::string> keys;
  for (const auto& [key, value] : fields.fields()) keys.push_back(key);
  std::sort(keys.begin(), keys.end());
  *out << YAML::Flow << YAML::BeginMap;
  for (const std::string& key : keys) {
    *out << YAML::Key << key << YAML::Value;
    EmitValue(fields.fields().at(key), out);
  }
  *out << YAML::EndMap;
}

void EmitValue(const google::protobuf::Value& value, YAML::Emitter* out) {
  switch (value.kind_case()) {
    case google::protobuf::Value::kStringValue:
      *out << YAML::DoubleQuoted << value.string_value();
      break;
    case google::protobuf::Value::kNumberValue:
      *out << value.number_value();
      break;
    case google::protobuf::Value::kBoolValue:
      *out << value.bool_value();
      break;
    case google::protobuf::Value::kStructValue:
      EmitStruct(value.struct_value(), out);
      break;
    case google::protobuf::Value::kListValue:
      *out << YAML::Flow << YAML::BeginSeq;
      for (const auto& element : value.list_value().values()) EmitValue(element, out);
      *out << YAML::EndSeq;
      break;
    default:
      *out << YAML::Null;
  }
}

// Whether the field says something: every scalar with a rule of its own, and whatever is set.
bool IsShown(const Message& message, const FieldDescriptor* field) {
  const Reflection* reflection = message.GetReflection();
  if (field->is_repeated()) {
    return reflection->FieldSize(message, field) > 0 || !RulesOf(field).default_().empty();
  }
  if (field->has_presence()) return reflection->HasField(message, field);
  return reflection->HasField(message, field) || !RulesOf(field).default_().empty();
}

class Printer {
 public:
  explicit Printer(YAML::Emitter* out) : out_(*out) {}

  void PrintMessage(const Message& message) {
    const std::string& type = message.GetDescriptor()->full_name();
    if (type == "google.protobuf.Struct") {
      return EmitStruct(static_cast<const google::protobuf::Struct&>(message), &out_);
    }
    if (type == "covet.config.v1.Rate") {
      out_ << FormatRate(static_cast<const v1::Rate&>(message));
      return;
    }
    out_ << YAML::BeginMap;
    for (int i = 0; i < message.GetDescriptor()->field_count(); ++i) {
      const FieldDescriptor* field = message.GetDescriptor()->field(i);
      if (!IsShown(message, field)) continue;
      out_ << YAML::Key << field->name() << YAML::Value;
      if (field->is_map()) {
        PrintMap(message, field);
      } else if (field->is_repeated()) {
        PrintList(message, field);
      } else if (IsScalar(field)) {
        PrintScalar(message, field, -1);
      } else {
        PrintMessage(message.GetReflection()->GetMessage(message, field));
      }
    }
    out_ << YAML::EndMap;
  }

  void PrintList(const Message& message, const FieldDescriptor* field) {
    const int size = message.GetReflection()->FieldSize(message, field);
    if (IsScalar(field)) out_ << YAML::Flow;
    out_ << YAML::BeginSeq;
    for (int i = 0; i < size; ++i) {
      if (IsScalar(field)) {
        PrintScalar(message, field, i);
      } else {
        PrintMessage(message.GetReflection()->GetRepeatedMessage(message, field, i));
      }
    }
    out_ << YAML::EndSeq;
  }

  void PrintScalar(const Message& message, const FieldDescriptor* field, int index) {
    const Reflection* reflection = message.GetReflection();
    if (RulesOf(field).secret()) {
      out_ << "***";
      return;
    }
    const bool one = !field->is_repeated();
    switch (field->type()) {
      case FieldDescriptor::TYPE_STRING:
        out_ << (one ? reflection->GetString(message, field)
                     : reflection->GetRepeatedString(message, field, index));
        return;
      case FieldDescriptor::TYPE_BOOL:
        out_ << reflection->GetBool(message, field);
        return;
      case FieldDescriptor::TYPE_INT32:
        out_ << reflection->GetInt32(message, field);
        return;
      case FieldDescriptor::TYPE_INT64:
        if (IsSize(field)) {
          out_ << FormatSize(reflection->GetInt64(message, field));
        } else {
          out_ << reflection->GetInt64(message, field);
        }
        return;
      case FieldDescriptor::TYPE_ENUM:
        out_ << EnumText(one ? reflection->GetEnum(message, field)
                             : reflection->GetRepeatedEnum(message, field, index));
        return;
      default:
        break;
    }
    const Message& value = reflection->GetMessage(message, field);
    if (IsDuration(field)) {
      out_ << FormatDuration(static_cast<const google::protobuf::Duration&>(value));
    } else {
      out_ << FormatTimestamp(static_cast<const google::protobuf::Timestamp&>(value));
    }
  }

 private:
  void PrintMap(const Message& message, const FieldDescriptor* field) {
    const Reflection* reflection = message.GetReflection();
    const FieldDescriptor* key = field->message_type()->FindFieldByNumber(1);
    const FieldDescriptor* value = field->message_type()->FindFieldByNumber(2);
    std::vector<const Message*> entries;
    for (int i = 0; i < reflection->FieldSize(message, field); ++i) {
      entries.push_back(&reflection->GetRepeatedMessage(message, field, i));
    }
    const auto name = [&](const Message* entry) {
      return entry->GetReflection()->GetString(*entry, key);
    };
    std::sort(entries.begin(), entries.end(),
              [&](const Message* a, const Message* b) { return name(a) < name(b); });
    out_ << YAML::BeginMap;
    for (const Message* entry : entries) {
      out_ << YAML::Key << name(entry) << YAML::Value;
      PrintMessage(entry->GetReflection()->GetMessage(*entry, value));
    }
    out_ << YAML::EndMap;
  }

  YAML::Emitter& out_;
};

}  // namespace

std::string PrintYaml(const Message& message) {
  YAML::Emitter out;
  Printer(&out).PrintMessage(message);
  return absl::StrCat(out.c_str(), "\n");
}

}  // namespace covet::config
