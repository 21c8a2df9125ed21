#include "common/auth/json_object.h"

namespace covet::auth {

bool JsonObject::Parse(std::string_view json) {
  // The DOM, because it validates all that it reads; On-Demand does not.
  if (parser_.allocate(json.size() + 1, kMaxDepth) != simdjson::SUCCESS) return false;
  simdjson::dom::object object;
  if (parser_.parse(json.data(), json.size()).get_object().get(object) != simdjson::SUCCESS) {
    return false;
  }
  for (const auto field : object) {
    for (const auto& [key, value] : members_) {
      if (key == field.key) return false;
    }
    if (members_.size() == kMaxMembers) return false;
    members_.emplace_back(field.key, field.value);
  }
  return true;
}

}  // namespace covet::auth
