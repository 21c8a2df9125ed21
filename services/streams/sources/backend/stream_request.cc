#include "services/streams/sources/backend/stream_request.h"

#include <algorithm>
#include <map>

#include "common/payload/json_writer.h"
#include "common/payload/struct_json.h"

namespace covet::streams::backend {

absl::StatusOr<std::string> StreamRequest(const config::v1::BackendStreamSourceConfig& config,
                                          const v1::Filter& filter) {
  google::protobuf::Struct fixed = config.request();
  std::map<std::string, std::string> asked;
  for (const v1::FieldCondition& condition : filter.fields()) {
    const auto& names = config.filter_fields();
    if (condition.comparison() != v1::COMPARISON_EQ ||
        std::find(names.begin(), names.end(), condition.field()) == names.end()) {
      continue;
    }
    fixed.mutable_fields()->erase(condition.field());
    asked.emplace(condition.field(), condition.value());  // A second one cannot hold as well.
  }
  std::string json;
  if (absl::Status status = payload::StructToJson(fixed, &json); !status.ok()) return status;
  json.pop_back();  // The closing brace.
  for (const auto& [name, value] : asked) {
    std::string quoted;
    payload::AppendQuoted(&quoted, name);
    if (json.back() != '{') json.push_back(',');
    json.append(quoted).append(":").append(value);
  }
  json.push_back('}');
  return json;
}

}  // namespace covet::streams::backend
