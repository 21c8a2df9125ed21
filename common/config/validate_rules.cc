#include <algorithm>
#include <limits>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/config/formats.h"
#include "common/config/schema.h"
#include "common/config/validate.h"
#include "common/config/values.h"

namespace covet::config {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

class RuleChecker {
 public:
  RuleChecker(const v1::Config& config, const Locations& locations,
              std::vector<std::string>* errors)
      : config_(config), locations_(locations), errors_(errors) {}

  void Check(const Message& message, const std::string& key) {
    const auto* type = message.GetDescriptor();
    for (int i = 0; i < type->field_count(); ++i) {
      const FieldDescriptor* field = type->field(i);
      const std::string field_key = absl::StrCat(key, key.empty() ? "" : ".", field->name());
      if (field->is_repeated()) {
        CheckRepeated(message, field, field_key);
      } else if (IsScalar(field)) {
        CheckScalar(message, field, field_key);
      } else if (message.GetReflection()->HasField(message, field)) {
        Check(message.GetReflection()->GetMessage(message, field), field_key);
      }
    }
  }

 private:
  void CheckRepeated(const Message& message, const FieldDescriptor* field, const std::string& key) {
    const Reflection* reflection = message.GetReflection();
    const int size = reflection->FieldSize(message, field);
    if (size == 0 && RulesOf(field).required()) Fail(key, "must not be empty");
    for (int i = 0; i < size; ++i) {
      if (field->is_map()) {
        const Message& entry = reflection->GetRepeatedMessage(message, field, i);
        const auto* entry_type = entry.GetDescriptor();
        const std::string name =
            entry.GetReflection()->GetString(entry, entry_type->FindFieldByNumber(1));
        if (entry_type->FindFieldByNumber(2)->type() == FieldDescriptor::TYPE_MESSAGE) {
          Check(entry.GetReflection()->GetMessage(entry, entry_type->FindFieldByNumber(2)),
                absl::StrCat(key, ".", name));
        }
      } else if (field->type() == FieldDescriptor::TYPE_MESSAGE) {
        Check(reflection->GetRepeatedMessage(message, field, i), absl::StrCat(key, "[", i, "]"));
      } else if (field->type() == FieldDescriptor::TYPE_STRING) {
        CheckText(reflection->GetRepeatedString(message, field, i), field,
                  absl::StrCat(key, "[", i, "]"));
      }
    }
  }

  void CheckScalar(const Message& message, const FieldDescriptor* field, const std::string& key) {
    const Reflection* reflection = message.GetReflection();
    if (field->type() == FieldDescriptor::TYPE_STRING) {
      const std::string text = reflection->GetString(message, field);
      if (!text.empty()) return CheckText(text, field, key);
      if (RulesOf(field).required()) Fail(key, "must not be empty");
    } else if (field->type() == FieldDescriptor::TYPE_INT32) {
      CheckRange(reflection->GetInt32(message, field), field, key);
    } else if (field->type() == FieldDescriptor::TYPE_INT64) {
      CheckRange(reflection->GetInt64(message, field), field, key);
    } else if (IsDuration(field) && reflection->HasField(message, field)) {
      const auto& duration =
          static_cast<const google::protobuf::Duration&>(reflection->GetMessage(message, field));
      CheckRange(Nanos(duration), field, key);
    }
  }

  // Bounds are written as the values are.
  static int64_t Bound(const std::string& text, const FieldDescriptor* field, int64_t otherwise) {
    if (text.empty()) return otherwise;
    if (IsDuration(field)) return Nanos(*ParseDuration(text));
    return *ParseSize(text);
  }

  void CheckRange(int64_t value, const FieldDescriptor* field, const std::string& key) {
    const v1::FieldRules& rules = RulesOf(field);
    if (value < Bound(rules.min(), field, 0)) {
      Fail(key, absl::StrCat("must be at least ", rules.min().empty() ? "0" : rules.min()));
    }
    if (value > Bound(rules.max(), field, std::numeric_limits<int64_t>::max())) {
      Fail(key, absl::StrCat("must be at most ", rules.max()));
    }
  }

  void CheckText(const std::string& text, const FieldDescriptor* field, const std::string& key) {
    const v1::Format format = RulesOf(field).format();
    if (format == v1::FORMAT_ROLE) {
      if (config_.roles().contains(text)) return;
      std::vector<std::string> names;
      for (const auto& [name, role] : config_.roles()) names.push_back(name);
      const std::string nearest = NearestName(text, names);
      return Fail(
          key, absl::StrCat("`", text, "` is no role that `roles` defines",
                            nearest.empty() ? "" : absl::StrCat("; did you mean ", nearest, "?")));
    }
    const std::string wrong = CheckFormat(format, text);
    if (!wrong.empty()) Fail(key, absl::StrCat("`", text, "` ", wrong));
  }

  void Fail(const std::string& key, const std::string& what) {
    errors_->push_back(absl::StrCat(LocationOf(locations_, key), ": ", key, ": ", what));
  }

  const v1::Config& config_;
  const Locations& locations_;
  std::vector<std::string>* const errors_;
};

}  // namespace

std::string LocationOf(const Locations& locations, std::string key) {
  while (!key.empty()) {
    const auto it = locations.find(key);
    if (it != locations.end()) return it->second;
    const size_t cut = key.find_last_of(".[");
    key = cut == std::string::npos ? "" : key.substr(0, cut);
  }
  return "default";
}

void ValidateRules(const v1::Config& config, const Locations& locations,
                   std::vector<std::string>* errors) {
  RuleChecker(config, locations, errors).Check(config, "");
}

}  // namespace covet::config
