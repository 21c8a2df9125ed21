#include "common/config/struct_reader.h"

#include <yaml-cpp/yaml.h>

#include "absl/strings/numbers.h"

namespace covet::config {
namespace {

void ReadValue(const YAML::Node& node, google::protobuf::Value* out) {
  if (node.IsMap()) return ReadStruct(node, out->mutable_struct_value());
  if (node.IsSequence()) {
    out->mutable_list_value();
    for (const YAML::Node& element : node) {
      ReadValue(element, out->mutable_list_value()->add_values());
    }
    return;
  }
  if (node.IsNull()) {
    out->set_null_value(google::protobuf::NULL_VALUE);
    return;
  }
  const std::string& text = node.Scalar();
  double number = 0;
  if (node.Tag() == "!") {  // yaml-cpp's mark of a quoted scalar.
    out->set_string_value(text);
  } else if (text == "true" || text == "false") {
    out->set_bool_value(text == "true");
  } else if (text.find_first_not_of("+-.0123456789eE") == std::string::npos &&
             absl::SimpleAtod(text, &number)) {
    out->set_number_value(number);
  } else {
    out->set_string_value(text);
  }
}

}  // namespace

void ReadStruct(const YAML::Node& node, google::protobuf::Struct* out) {
  out->Clear();
  for (const auto& pair : node)
    ReadValue(pair.second, &(*out->mutable_fields())[pair.first.Scalar()]);
}

}  // namespace covet::config
