#include "common/payload/struct_json.h"

#include <simdjson.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "common/payload/decimal.h"
#include "common/payload/json_writer.h"

namespace covet::payload {
namespace {

namespace ondemand = simdjson::ondemand;
using google::protobuf::ListValue;
using google::protobuf::Struct;
using google::protobuf::Value;

absl::Status AppendStruct(const Struct& value, int depth_left, std::string* out);

absl::Status AppendList(const ListValue& list, int depth_left, std::string* out);

absl::Status AppendValue(const Value& value, int depth_left, std::string* out) {
  switch (value.kind_case()) {
    case Value::kNullValue:
      out->append("null");
      return absl::OkStatus();
    case Value::kNumberValue:
      if (!std::isfinite(value.number_value())) {
        return absl::InvalidArgumentError("JSON has no NaN and no infinity");
      }
      AppendDouble(out, value.number_value());
      return absl::OkStatus();
    case Value::kStringValue:
      AppendQuoted(out, value.string_value());
      return absl::OkStatus();
    case Value::kBoolValue:
      out->append(value.bool_value() ? "true" : "false");
      return absl::OkStatus();
    case Value::kStructValue:
      return AppendStruct(value.struct_value(), depth_left, out);
    case Value::kListValue:
      return AppendList(value.list_value(), depth_left, out);
    case Value::KIND_NOT_SET:
      break;
  }
  return absl::InvalidArgumentError("a value without a kind");
}

absl::Status AppendStruct(const Struct& value, int depth_left, std::string* out) {
  if (depth_left == 0) return absl::InvalidArgumentError("nested too deep");
  std::vector<const google::protobuf::Map<std::string, Value>::value_type*> fields;
  fields.reserve(value.fields().size());
  for (const auto& field : value.fields()) fields.push_back(&field);
  std::sort(fields.begin(), fields.end(), [](auto* a, auto* b) { return a->first < b->first; });
  out->push_back('{');
  for (const auto* field : fields) {
    if (out->back() != '{') out->push_back(',');
    AppendQuoted(out, field->first);
    out->push_back(':');
    if (absl::Status status = AppendValue(field->second, depth_left - 1, out); !status.ok()) {
      return status;
    }
  }
  out->push_back('}');
  return absl::OkStatus();
}

absl::Status AppendList(const ListValue& list, int depth_left, std::string* out) {
  if (depth_left == 0) return absl::InvalidArgumentError("nested too deep");
  out->push_back('[');
  bool first = true;
  for (const Value& value : list.values()) {
    if (!first) out->push_back(',');
    first = false;
    if (absl::Status status = AppendValue(value, depth_left - 1, out); !status.ok()) return status;
  }
  out->push_back(']');
  return absl::OkStatus();
}

std::string_view TrimSpace(std::string_view text) {
  while (!text.empty() && static_cast<unsigned char>(text.back()) <= ' ') text.remove_suffix(1);
  return text;
}

bool FillStruct(ondemand::object object, Struct* out);

// The recursions below end at kMaxStructDepth, which the scan before them has checked.
bool FillValue(ondemand::value json, Value* out) {
  const std::string_view token = TrimSpace(json.raw_json_token());
  switch (JsonKindOf(token.front())) {
    case JsonKind::kObject: {
      ondemand::object object;
      return json.get_object().get(object) == simdjson::SUCCESS &&
             FillStruct(object, out->mutable_struct_value());
    }
    case JsonKind::kArray: {
      ondemand::array array;
      if (json.get_array().get(array) != simdjson::SUCCESS) return false;
      ListValue* const list = out->mutable_list_value();
      for (auto element : array) {
        if (element.error() != simdjson::SUCCESS ||
            !FillValue(element.value_unsafe(), list->add_values())) {
          return false;
        }
      }
      return true;
    }
    case JsonKind::kString: {
      // Lone surrogates fail here.
      std::string_view text;
      if (json.get_string().get(text) != simdjson::SUCCESS) return false;
      out->set_string_value(text.data(), text.size());
      return true;
    }
    case JsonKind::kNumber: {
      const std::optional<double> number = ExactDouble(token);
      if (!number.has_value()) return false;
      out->set_number_value(*number);
      return true;
    }
    case JsonKind::kBoolean:
      out->set_bool_value(token == "true");
      return true;
    case JsonKind::kNull:
      out->set_null_value(google::protobuf::NULL_VALUE);
      return true;
  }
  return false;
}

bool FillStruct(ondemand::object object, Struct* out) {
  for (auto member : object) {
    ondemand::field field;
    std::string_view key;
    if (std::move(member).get(field) != simdjson::SUCCESS ||
        field.unescaped_key().get(key) != simdjson::SUCCESS) {
      return false;
    }
    const auto [position, inserted] = out->mutable_fields()->insert({std::string(key), Value()});
    if (!inserted || !FillValue(field.value(), &position->second)) return false;
  }
  return true;
}

}  // namespace

absl::Status StructToJson(const Struct& value, std::string* out, int max_depth) {
  return AppendStruct(value, max_depth, out);
}

bool JsonToStruct(std::string_view json, Struct* out) {
  out->Clear();
  const JsonScanResult scan = ScanJson(json, kMaxStructDepth);
  if (!scan.ok() || scan.kind != JsonKind::kObject) return false;
  const simdjson::padded_string padded(json);
  ondemand::parser parser;
  ondemand::document document;
  ondemand::object object;
  if (parser.iterate(padded).get(document) == simdjson::SUCCESS &&
      document.get_object().get(object) == simdjson::SUCCESS && FillStruct(object, out)) {
    return true;
  }
  out->Clear();
  return false;
}

absl::StatusOr<std::string> PayloadToJson(const common::v1::Payload& payload, int max_depth) {
  switch (payload.kind_case()) {
    case common::v1::Payload::kStructured: {
      std::string json;
      if (absl::Status status = StructToJson(payload.structured(), &json, max_depth);
          !status.ok()) {
        return status;
      }
      return json;
    }
    case common::v1::Payload::kJson: {
      const JsonScanResult scan = ScanJson(payload.json(), max_depth);
      if (!scan.ok()) {
        return absl::InvalidArgumentError(
            "invalid JSON: " + std::string(JsonErrorText(scan.error)) + " at byte " +
            std::to_string(scan.offset));
      }
      return payload.json();
    }
    case common::v1::Payload::KIND_NOT_SET:
      break;
  }
  return absl::InvalidArgumentError("neither `structured` nor `json` is set");
}

void JsonToPayload(std::string_view json, common::v1::PayloadFormat format,
                   common::v1::Payload* out) {
  out->Clear();
  if (format != common::v1::PAYLOAD_FORMAT_JSON && JsonToStruct(json, out->mutable_structured()))
    return;
  out->set_json(json.data(), json.size());
}

}  // namespace covet::payload
