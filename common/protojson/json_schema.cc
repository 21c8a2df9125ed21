#include "common/protojson/json_schema.h"

#include <google/protobuf/descriptor.h>

#include <set>
#include <string_view>
#include <vector>

#include "absl/strings/ascii.h"
#include "common/payload/json_writer.h"
#include "common/protojson/compile.h"
#include "common/protojson/text.h"

namespace covet::protojson {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::EnumDescriptor;
using google::protobuf::FieldDescriptor;
using internal::FieldType;
using internal::WellKnown;
using payload::AppendMemberName;
using payload::AppendRawMember;
using payload::AppendStringMember;

// The comment before a declaration, else the one behind it.
template <typename D>
std::string CommentOf(const D& declaration) {
  google::protobuf::SourceLocation location;
  if (!declaration.GetSourceLocation(&location)) return "";
  const std::string& comment =
      location.leading_comments.empty() ? location.trailing_comments : location.leading_comments;
  return std::string(absl::StripAsciiWhitespace(comment));
}

class SchemaWriter {
 public:
  explicit SchemaWriter(SchemaUse use) : use_(use) {}

  std::string Write(const Descriptor& root) {
    std::string out = R"({"$schema":"https://json-schema.org/draft/2020-12/schema")";
    AppendStringMember(&out, "title", root.full_name());
    known_.insert(&root);
    root_ = &root;
    out.push_back(',');
    MessageMembers(root, &out);
    std::string definitions = "{";
    while (!pending_.empty()) {
      const Descriptor* const message = pending_.back();
      pending_.pop_back();
      AppendMemberName(&definitions, message->full_name());
      definitions.push_back('{');
      MessageMembers(*message, &definitions);
      definitions.push_back('}');
    }
    definitions.push_back('}');
    if (definitions.size() > 2) AppendRawMember(&out, "$defs", definitions);
    out.push_back('}');
    return out;
  }

 private:
  bool params() const { return use_ == SchemaUse::kParams; }

  // The members of a message's schema; at least one.
  void MessageMembers(const Descriptor& message, std::string* out) {
    const WellKnown well_known = internal::WellKnownOf(message);
    if (well_known != WellKnown::kNone) {
      out->append(WellKnownMembers(well_known, message));
      return;
    }
    out->append(R"("type":"object")");
    if (const std::string comment = CommentOf(message); !comment.empty()) {
      AppendStringMember(out, "description", comment);
    }
    std::string properties = "{";
    std::string required = "[";
    for (int i = 0; i < message.field_count(); ++i) {
      const FieldDescriptor& field = *message.field(i);
      AppendMemberName(&properties, field.name());
      properties.append(FieldSchema(field));
      if (field.is_required() || (!params() && !field.has_presence())) {
        if (required.size() > 1) required.push_back(',');
        payload::AppendQuoted(&required, field.name());
      }
    }
    properties.push_back('}');
    required.push_back(']');
    AppendRawMember(out, "properties", properties);
    if (required.size() > 2) AppendRawMember(out, "required", required);
    if (params()) AppendRawMember(out, "additionalProperties", "false");
    Oneofs(message, out);
  }

  // At most one member of each oneof.
  void Oneofs(const Descriptor& message, std::string* out) {
    std::string all;
    for (int i = 0; i < message.real_oneof_decl_count(); ++i) {
      const auto& oneof = *message.oneof_decl(i);
      if (oneof.field_count() < 2) continue;
      std::string each;
      for (int j = 0; j < oneof.field_count(); ++j) {
        std::string name;
        payload::AppendQuoted(&name, oneof.field(j)->name());
        each.append(internal::Concat(j > 0 ? "," : "", R"({"required":[)", name, "]}"));
      }
      if (!all.empty()) all.push_back(',');
      all.append(internal::Concat(R"({"oneOf":[{"not":{"anyOf":[)", each, "]}},", each, "]}"));
    }
    if (!all.empty()) AppendRawMember(out, "allOf", internal::Concat("[", all, "]"));
  }

  std::string FieldSchema(const FieldDescriptor& field) {
    std::string schema;
    if (field.is_map()) {
      schema = R"({"type":"object")";
      std::string_view pattern;
      switch (field.message_type()->map_key()->type()) {
        case FieldType::TYPE_STRING:
          break;
        case FieldType::TYPE_BOOL:
          pattern = R"({"enum":["true","false"]})";
          break;
        default:
          pattern = R"({"pattern":"^-?[0-9]+$"})";
      }
      if (!pattern.empty()) AppendRawMember(&schema, "propertyNames", pattern);
      AppendRawMember(&schema, "additionalProperties",
                      ValueSchema(*field.message_type()->map_value()));
      schema.push_back('}');
    } else if (field.is_repeated()) {
      schema = internal::Concat(R"({"type":"array","items":)", ValueSchema(field), "}");
    } else {
      schema = ValueSchema(field);
    }
    const std::string comment = CommentOf(field);
    if (!comment.empty()) {
      schema.pop_back();
      AppendStringMember(&schema, "description", comment);
      schema.push_back('}');
    }
    return schema;
  }

  std::string ValueSchema(const FieldDescriptor& field) {
    switch (field.type()) {
      case FieldType::TYPE_MESSAGE:
      case FieldType::TYPE_GROUP:
        return Reference(*field.message_type());
      case FieldType::TYPE_ENUM:
        return EnumSchema(*field.enum_type());
      default:
        return internal::Concat("{", ScalarMembers(field.type()), "}");
    }
  }

  std::string_view ScalarMembers(FieldType type) const {
    switch (type) {
      case FieldType::TYPE_DOUBLE:
      case FieldType::TYPE_FLOAT:
        return R"("anyOf":[{"type":"number"},{"enum":["NaN","Infinity","-Infinity"]}])";
      case FieldType::TYPE_BOOL:
        return R"("type":"boolean")";
      case FieldType::TYPE_STRING:
        return R"("type":"string")";
      case FieldType::TYPE_BYTES:
        return R"("type":"string","contentEncoding":"base64")";
      case FieldType::TYPE_UINT32:
      case FieldType::TYPE_FIXED32:
        return R"("type":"integer","minimum":0,"maximum":4294967295)";
      case FieldType::TYPE_UINT64:
      case FieldType::TYPE_FIXED64:
        return params() ? R"("type":["integer","string"],"pattern":"^[0-9]+$")"
                        : R"("type":"string","pattern":"^[0-9]+$")";
      case FieldType::TYPE_INT64:
      case FieldType::TYPE_SINT64:
      case FieldType::TYPE_SFIXED64:
        return params() ? R"("type":["integer","string"],"pattern":"^-?[0-9]+$")"
                        : R"("type":"string","pattern":"^-?[0-9]+$")";
      default:
        return R"("type":"integer","minimum":-2147483648,"maximum":2147483647)";
    }
  }

  std::string EnumSchema(const EnumDescriptor& type) const {
    if (type.full_name() == "google.protobuf.NullValue") return R"({"type":"null"})";
    std::string names = "[";
    for (int i = 0; i < type.value_count(); ++i) {
      if (i > 0) names.push_back(',');
      payload::AppendQuoted(&names, type.value(i)->name());
    }
    names.push_back(']');
    // Numbers stand for values that the schema does not name.
    return internal::Concat(R"({"anyOf":[{"enum":)", names, R"(},{"type":"integer"}]})");
  }

  std::string Reference(const Descriptor& message) {
    const WellKnown well_known = internal::WellKnownOf(message);
    if (well_known != WellKnown::kNone) {
      return internal::Concat("{", WellKnownMembers(well_known, message), "}");
    }
    if (&message == root_) return R"({"$ref":"#"})";
    if (known_.insert(&message).second) pending_.push_back(&message);
    return internal::Concat(R"({"$ref":"#/$defs/)", message.full_name(), R"("})");
  }

  std::string WellKnownMembers(WellKnown well_known, const Descriptor& message) const {
    switch (well_known) {
      case WellKnown::kAny:
        return R"("type":"object","properties":{"@type":{"type":"string"}})";
      case WellKnown::kDuration:
        return R"("type":"string","pattern":"^-?[0-9]+(\\.[0-9]{1,9})?s$")";
      case WellKnown::kTimestamp:
        return R"("type":"string","format":"date-time")";
      case WellKnown::kFieldMask:
        return R"("type":"string")";
      case WellKnown::kListValue:
        return R"("type":"array")";
      case WellKnown::kStruct:
        return R"("type":"object")";
      case WellKnown::kWrapper:
        return std::string(ScalarMembers(message.field(0)->type()));
      case WellKnown::kValue:
      case WellKnown::kNone:
        return R"("description":"Any JSON value.")";
    }
    return "";
  }

  const SchemaUse use_;
  const Descriptor* root_ = nullptr;
  std::set<const Descriptor*> known_;
  std::vector<const Descriptor*> pending_;
};

}  // namespace

std::string JsonSchemaOf(const Descriptor& message, SchemaUse use) {
  return SchemaWriter(use).Write(message);
}

}  // namespace covet::protojson
