#include "common/config/schema.h"

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"

namespace covet::config {

using google::protobuf::FieldDescriptor;

const v1::FieldRules& RulesOf(const FieldDescriptor* field) {
  return field->options().GetExtension(v1::field);
}

bool IsDuration(const FieldDescriptor* field) {
  return field->type() == FieldDescriptor::TYPE_MESSAGE &&
         field->message_type()->full_name() == "google.protobuf.Duration";
}

bool IsScalar(const FieldDescriptor* field) {
  return field->type() != FieldDescriptor::TYPE_MESSAGE || IsDuration(field) ||
         field->message_type()->full_name() == "google.protobuf.Timestamp";
}

bool IsSize(const FieldDescriptor* field) {
  return field->type() == FieldDescriptor::TYPE_INT64 && absl::EndsWith(field->name(), "_bytes");
}

std::string EnumText(const google::protobuf::EnumValueDescriptor* value) {
  std::string prefix;
  for (const char c : value->type()->name()) {
    if (absl::ascii_isupper(static_cast<unsigned char>(c)) && !prefix.empty()) prefix += '_';
    prefix += absl::ascii_toupper(static_cast<unsigned char>(c));
  }
  return absl::AsciiStrToLower(value->name().substr(prefix.size() + 1));
}

}  // namespace covet::config
