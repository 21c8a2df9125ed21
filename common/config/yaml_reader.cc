#include "common/config/yaml_reader.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/config/defaults.h"
#include "common/config/schema.h"
#include "common/config/struct_reader.h"
#include "common/config/values.h"

namespace covet::config {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

size_t EditDistance(const std::string& a, const std::string& b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t substituted = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, substituted});
    }
  }
  return row.back();
}

std::string Join(const std::string& key, const std::string& name) {
  return key.empty() ? name : absl::StrCat(key, ".", name);
}

const char* KindName(const YAML::Node& node) {
  if (node.IsSequence()) return "a list";
  if (node.IsMap()) return "a section";
  return "a single value";
}

}  // namespace

std::string NearestName(const std::string& name, const std::vector<std::string>& candidates) {
  std::string best;
  size_t best_distance = std::max<size_t>(2, name.size() / 3) + 1;
  for (const std::string& candidate : candidates) {
    const size_t distance = EditDistance(name, candidate);
    if (distance < best_distance && distance < candidate.size()) {
      best = candidate;
      best_distance = distance;
    }
  }
  return best;
}

YamlReader::YamlReader(std::string source, Locations* locations, std::vector<std::string>* errors)
    : source_(std::move(source)), locations_(locations), errors_(errors) {}

void YamlReader::ReadFile(const std::string& text, Message* message) {
  has_lines_ = true;
  try {
    const std::vector<YAML::Node> documents = YAML::LoadAll(text);
    if (documents.size() > 1) {
      errors_->push_back(absl::StrCat(source_, ": holds more than one YAML document"));
    } else if (!documents.empty() && !documents[0].IsNull()) {
      ReadMessage(documents[0], "", message);
    }
  } catch (const YAML::Exception& error) {
    errors_->push_back(absl::StrCat(Place(error.mark), ": ", error.msg));
  }
}

void YamlReader::ReadFieldText(const std::string& text, const FieldDescriptor* field,
                               const std::string& key, Message* message) {
  try {
    ReadField(YAML::Load(text), field, key, message);
  } catch (const YAML::Exception& error) {
    errors_->push_back(absl::StrCat(source_, ": ", key, ": ", error.msg));
  }
}

void YamlReader::ReadPath(const std::vector<std::string>& path, const std::string& text,
                          Message* message) {
  std::string key;
  for (size_t i = 0; i < path.size(); ++i) {
    const FieldDescriptor* field = message->GetDescriptor()->FindFieldByName(path[i]);
    if (field == nullptr) {
      return UnknownKey(source_, key, path[i], message->GetDescriptor());
    }
    key = Join(key, path[i]);
    if (i + 1 == path.size()) return ReadFieldText(text, field, key, message);
    if (field->is_map()) {
      Message* entry = MapEntry(field, path[++i], /*fresh=*/false, message);
      key = Join(key, path[i]);
      const FieldDescriptor* value = entry->GetDescriptor()->FindFieldByNumber(2);
      if (i + 1 == path.size()) return ReadFieldText(text, value, key, entry);
      message = entry->GetReflection()->MutableMessage(entry, value);
    } else if (!field->is_repeated() && !IsScalar(field)) {
      message = Section(field, message);
    } else {
      errors_->push_back(absl::StrCat(source_, ": ", key, " has no keys below it",
                                      field->is_repeated() ? "; set the list as a whole" : ""));
      return;
    }
  }
}

void YamlReader::ReadMessage(const YAML::Node& node, const std::string& key, Message* message) {
  if (node.IsNull()) return;
  if (!node.IsMap())
    return Fail(node, key, absl::StrCat("must be a section, not ", KindName(node)));
  std::set<std::string> seen;
  std::map<std::string, std::string> chosen;  // oneof → the key that set it
  for (const auto& pair : node) {
    const std::string name = pair.first.IsScalar() ? pair.first.Scalar() : "?";
    const std::string place = Place(pair.first.Mark());
    const FieldDescriptor* field = message->GetDescriptor()->FindFieldByName(name);
    if (field == nullptr) {
      UnknownKey(place, key, name, message->GetDescriptor());
      continue;
    }
    if (!seen.insert(name).second) {
      errors_->push_back(absl::StrCat(place, ": ", Join(key, name), ": is set twice"));
      continue;
    }
    if (const auto* oneof = field->real_containing_oneof()) {
      const auto [it, first] = chosen.emplace(oneof->name(), name);
      if (!first) {
        errors_->push_back(
            absl::StrCat(place, ": ", Join(key, name), ": cannot be set beside ", it->second));
        continue;
      }
    }
    if (locations_ != nullptr) (*locations_)[Join(key, name)] = place;
    ReadField(pair.second, field, Join(key, name), message);
  }
}

void YamlReader::ReadField(const YAML::Node& node, const FieldDescriptor* field,
                           const std::string& key, Message* message) {
  if (locations_ != nullptr && !has_lines_) (*locations_)[key] = source_;
  if (field->is_map()) {
    ReadMap(node, field, key, message);
  } else if (field->is_repeated()) {
    ReadList(node, field, key, message);
  } else {
    ReadValue(node, field, key, message);
  }
}

void YamlReader::ReadList(const YAML::Node& node, const FieldDescriptor* field,
                          const std::string& key, Message* message) {
  message->GetReflection()->ClearField(message, field);
  if (node.IsNull()) return;
  if (!node.IsSequence()) {
    return Fail(node, key, absl::StrCat("must be a list, not ", KindName(node)));
  }
  size_t index = 0;
  for (const YAML::Node& element : node) {
    const std::string element_key = absl::StrCat(key, "[", index++, "]");
    if (locations_ != nullptr) (*locations_)[element_key] = Place(element.Mark());
    ReadValue(element, field, element_key, message);
  }
}

void YamlReader::ReadMap(const YAML::Node& node, const FieldDescriptor* field,
                         const std::string& key, Message* message) {
  if (node.IsNull()) return;
  if (!node.IsMap())
    return Fail(node, key, absl::StrCat("must be a section, not ", KindName(node)));
  std::set<std::string> seen;
  for (const auto& pair : node) {
    const std::string name = pair.first.IsScalar() ? pair.first.Scalar() : "?";
    const std::string entry_key = Join(key, name);
    const std::string place = Place(pair.first.Mark());
    if (!seen.insert(name).second) {
      errors_->push_back(absl::StrCat(place, ": ", entry_key, ": is set twice"));
      continue;
    }
    if (locations_ != nullptr) (*locations_)[entry_key] = place;
    Message* entry = MapEntry(field, name, /*fresh=*/true, message);
    ReadValue(pair.second, entry->GetDescriptor()->FindFieldByNumber(2), entry_key, entry);
  }
}

Message* YamlReader::MapEntry(const FieldDescriptor* field, const std::string& map_key, bool fresh,
                              Message* message) {
  const Reflection* reflection = message->GetReflection();
  const FieldDescriptor* key_field = field->message_type()->FindFieldByNumber(1);
  const FieldDescriptor* value_field = field->message_type()->FindFieldByNumber(2);
  Message* entry = nullptr;
  for (int i = 0; i < reflection->FieldSize(*message, field); ++i) {
    Message* candidate = reflection->MutableRepeatedMessage(message, field, i);
    if (candidate->GetReflection()->GetString(*candidate, key_field) == map_key) entry = candidate;
  }
  if (entry != nullptr && !fresh) return entry;
  if (entry == nullptr) {
    entry = reflection->AddMessage(message, field);
    entry->GetReflection()->SetString(entry, key_field, map_key);
  }
  Message* value = entry->GetReflection()->MutableMessage(entry, value_field);
  value->Clear();
  ApplyDefaults(value);
  return entry;
}

Message* YamlReader::Section(const FieldDescriptor* field, Message* message) {
  const bool fresh = !message->GetReflection()->HasField(*message, field);
  Message* section = message->GetReflection()->MutableMessage(message, field);
  // Other sections had theirs when the message was made.
  if (fresh && field->real_containing_oneof() != nullptr) ApplyDefaults(section);
  return section;
}

void YamlReader::ReadValue(const YAML::Node& node, const FieldDescriptor* field,
                           const std::string& key, Message* message) {
  if (IsScalar(field)) return ReadScalar(node, field, key, message);
  const Reflection* reflection = message->GetReflection();
  if (!field->is_repeated()) {
    return ReadMessageValue(node, key, Section(field, message));
  }
  Message* element = reflection->AddMessage(message, field);
  ApplyDefaults(element);
  ReadMessageValue(node, key, element);
}

void YamlReader::ReadMessageValue(const YAML::Node& node, const std::string& key, Message* value) {
  const std::string& type = value->GetDescriptor()->full_name();
  if (type == "google.protobuf.Struct") {
    if (!node.IsMap()) return Fail(node, key, "must be a section");
    return ReadStruct(node, static_cast<google::protobuf::Struct*>(value));
  }
  if (type == "covet.config.v1.Rate" && node.IsScalar()) {
    const auto rate = ParseRate(node.Scalar());
    if (!rate.ok()) return Fail(node, key, std::string(rate.status().message()));
    value->CopyFrom(*rate);
    return;
  }
  ReadMessage(node, key, value);
}

void YamlReader::ReadScalar(const YAML::Node& node, const FieldDescriptor* field,
                            const std::string& key, Message* message) {
  if (node.IsNull()) return Fail(node, key, "has no value");
  if (!node.IsScalar()) {
    return Fail(node, key, absl::StrCat("must be a single value, not ", KindName(node)));
  }
  const std::string& text = node.Scalar();
  const Reflection* reflection = message->GetReflection();
  const auto set = [&](auto setter, auto adder, auto value) {
    if (field->is_repeated()) {
      (reflection->*adder)(message, field, value);
    } else {
      (reflection->*setter)(message, field, value);
    }
  };
  switch (field->type()) {
    case FieldDescriptor::TYPE_STRING:
      return set(&Reflection::SetString, &Reflection::AddString, text);
    case FieldDescriptor::TYPE_BOOL:
      if (text != "true" && text != "false") {
        return Fail(node, key, absl::StrCat("`", text, "` is neither true nor false"));
      }
      return set(&Reflection::SetBool, &Reflection::AddBool, text == "true");
    case FieldDescriptor::TYPE_INT32: {
      int32_t value = 0;
      if (!absl::SimpleAtoi(text, &value)) {
        return Fail(node, key, absl::StrCat("`", text, "` is not a whole number"));
      }
      return set(&Reflection::SetInt32, &Reflection::AddInt32, value);
    }
    case FieldDescriptor::TYPE_INT64: {
      int64_t value = 0;
      if (IsSize(field)) {
        const auto size = ParseSize(text);
        if (!size.ok()) return Fail(node, key, std::string(size.status().message()));
        value = *size;
      } else if (!absl::SimpleAtoi(text, &value)) {
        return Fail(node, key, absl::StrCat("`", text, "` is not a whole number"));
      }
      return set(&Reflection::SetInt64, &Reflection::AddInt64, value);
    }
    case FieldDescriptor::TYPE_ENUM: {
      std::vector<std::string> names;
      for (int i = 1; i < field->enum_type()->value_count(); ++i) {
        const auto* value = field->enum_type()->value(i);
        names.push_back(EnumText(value));
        if (absl::EqualsIgnoreCase(names.back(), text)) {
          return set(&Reflection::SetEnumValue, &Reflection::AddEnumValue, value->number());
        }
      }
      return Fail(node, key, absl::StrCat("`", text, "` is none of ", absl::StrJoin(names, ", ")));
    }
    case FieldDescriptor::TYPE_MESSAGE: {
      Message* value = reflection->MutableMessage(message, field);
      absl::Status status;
      if (IsDuration(field)) {
        const auto duration = ParseDuration(text);
        status = duration.status();
        if (duration.ok()) value->CopyFrom(*duration);
      } else {
        const auto timestamp = ParseTimestamp(text);
        status = timestamp.status();
        if (timestamp.ok()) value->CopyFrom(*timestamp);
      }
      if (!status.ok()) Fail(node, key, std::string(status.message()));
      return;
    }
    default:
      return Fail(node, key, "has a type that configuration cannot hold");
  }
}

std::string YamlReader::Place(const YAML::Mark& mark) const {
  if (!has_lines_ || mark.is_null()) return source_;
  return absl::StrCat(source_, ":", mark.line + 1, ":", mark.column + 1);
}

void YamlReader::Fail(const YAML::Node& node, const std::string& key, const std::string& what) {
  errors_->push_back(
      absl::StrCat(Place(node.Mark()), ": ", key.empty() ? "the file" : key, ": ", what));
}

void YamlReader::UnknownKey(const std::string& place, const std::string& key,
                            const std::string& name, const Descriptor* type) {
  std::vector<std::string> names;
  for (int i = 0; i < type->field_count(); ++i) names.push_back(type->field(i)->name());
  const std::string nearest = NearestName(name, names);
  errors_->push_back(
      absl::StrCat(place, ": unknown key ", Join(key, name),
                   nearest.empty() ? "" : absl::StrCat("; did you mean ", nearest, "?")));
}

}  // namespace covet::config
