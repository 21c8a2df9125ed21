#include "common/config/defaults.h"

#include <cstdio>
#include <cstdlib>

#include "common/config/schema.h"
#include "common/config/yaml_reader.h"

namespace covet::config {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;

// Whether any field of the message or of a section below has a default, so that the section exists
// from the start. A member of a oneof exists only where it is chosen.
bool HasDefaults(const Descriptor* type) {
  for (int i = 0; i < type->field_count(); ++i) {
    const FieldDescriptor* field = type->field(i);
    if (field->real_containing_oneof() != nullptr) continue;
    if (!RulesOf(field).default_().empty()) return true;
    if (!field->is_repeated() && !IsScalar(field) && HasDefaults(field->message_type())) {
      return true;
    }
  }
  return false;
}

bool IsOwn(const Descriptor* type) {
  return type->file()->package() == v1::FieldRules::descriptor()->file()->package();
}

}  // namespace

void ApplyDefaults(google::protobuf::Message* message) {
  const Descriptor* type = message->GetDescriptor();
  for (int i = 0; i < type->field_count(); ++i) {
    const FieldDescriptor* field = type->field(i);
    if (field->real_containing_oneof() != nullptr) continue;
    const v1::FieldRules& rules = RulesOf(field);
    if (!rules.default_().empty()) {
      std::vector<std::string> errors;
      YamlReader reader("default", nullptr, &errors);
      reader.ReadFieldText(rules.default_(), field, field->name(), message);
      if (!errors.empty()) {
        std::fprintf(stderr, "%s has a bad default: %s\n", field->full_name().c_str(),
                     errors.front().c_str());
        std::abort();
      }
    } else if (!field->is_repeated() && !IsScalar(field) && IsOwn(field->message_type()) &&
               HasDefaults(field->message_type())) {
      ApplyDefaults(message->GetReflection()->MutableMessage(message, field));
    }
  }
}

}  // namespace covet::config
