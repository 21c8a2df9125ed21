#include "common/config/doc.h"

#include <map>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "common/config/schema.h"
#include "covet/config/v1/config.pb.h"

namespace covet::config {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::DescriptorProto;
using google::protobuf::FieldDescriptor;
using google::protobuf::FileDescriptorProto;

constexpr char kIntroduction[] =
    R"(<!-- Made by `config_doc` from proto/covet/config/v1/config.proto; edit the comments there. -->
# Configuration

`covetd` reads, each overriding what comes before it:

1. the defaults below,
2. the YAML file of `--config FILE` or of the variable `COVET_CONFIG`,
3. environment variables: `COVET_` and the key in capitals with `__` between its levels, so that
   `COVET_EDGE__MAX_CONNECTIONS=5` sets `edge.max_connections`,
4. `--set KEY=VALUE`, any number of times: `--set edge.max_connections=5`,
5. `--target=all|edge|rooms|streams|rpc|files`, several with commas, for `targets`.

Values of variables and of `--set` are YAML: `--set 'edge.allowed_origins=[https://a.example]'`. Lists are replaced as
a whole, sections key by key, and an entry of `roles` as a whole. Names in variables are lower-cased, so a role whose
name has capitals can only be set in the file or with `--set`.

Unknown keys, values of the wrong type and values out of bounds are refused with file, line and column, all at once.
So are variables that begin with `COVET_` and name no key, except `COVET_CONFIG`, `COVET_DEV_…`, `COVET_TEST_…`, what
Kubernetes sets for a service named `covet` or `covet-…` (`COVET_SERVICE_HOST`, `COVET_PORT_8000_TCP`, …), and variables that an `env:`
of a secret names.

- `covetd --check-config` validates, tells what would run, and ends with status 0, or with 1 and every problem.
- `covetd --print-config` prints what is in force as YAML, secrets as `***`.
- `covetd --healthcheck` asks the process that runs with the same configuration, at `admin.listen`, whether it is ready; its
  status is 0 if it is. For containers, which need no curl then.
- SIGHUP reads everything anew. Keys marked ↻ take effect at once; a change of another key is logged as
  `config_needs_restart` and ignored until a restart. A configuration with a problem changes nothing.

Durations are written `250ms`, `5s`, `1m30s`, `24h`; sizes as bytes or `64KiB`, `1MiB`, `2GiB`; rates `100/min`, `10/h`,
`5/s`, `3/250ms`; times as RFC 3339. In the tables `[]` stands for each element of a list, `<name>` for a name of your
choosing; a key without a default is empty.
)";

// Comments by the full name of message or field.
using Comments = std::map<std::string, std::string>;

void CollectMessage(const DescriptorProto& message, const std::string& name,
                    const std::vector<int>& path,
                    const std::map<std::vector<int>, std::string>& by_path, Comments* comments) {
  const auto find = [&](std::vector<int> at, int kind, int index) {
    if (kind != 0) at.insert(at.end(), {kind, index});
    const auto it = by_path.find(at);
    return it == by_path.end() ? std::string() : it->second;
  };
  (*comments)[name] = find(path, 0, 0);
  for (int i = 0; i < message.field_size(); ++i) {
    (*comments)[absl::StrCat(name, ".", message.field(i).name())] =
        find(path, DescriptorProto::kFieldFieldNumber, i);
  }
}

Comments CollectComments(const google::protobuf::FileDescriptorSet& protos) {
  Comments comments;
  for (const FileDescriptorProto& file : protos.file()) {
    std::map<std::vector<int>, std::string> by_path;
    for (const auto& location : file.source_code_info().location()) {
      std::string text = location.leading_comments();
      absl::RemoveExtraAsciiWhitespace(&text);
      by_path[{location.path().begin(), location.path().end()}] = text;
    }
    for (int i = 0; i < file.message_type_size(); ++i) {
      CollectMessage(file.message_type(i),
                     absl::StrCat(file.package(), ".", file.message_type(i).name()),
                     {FileDescriptorProto::kMessageTypeFieldNumber, i}, by_path, &comments);
    }
  }
  return comments;
}

std::string TypeText(const FieldDescriptor* field) {
  std::string type;
  if (IsDuration(field)) {
    type = "duration";
  } else if (IsSize(field)) {
    type = "size";
  } else if (field->type() == FieldDescriptor::TYPE_MESSAGE) {
    const std::string& name = field->message_type()->full_name();
    type = name == "covet.config.v1.Rate"        ? "rate"
           : name == "google.protobuf.Timestamp" ? "time"
                                                 : "any keys";
  } else if (field->type() == FieldDescriptor::TYPE_STRING) {
    type = "text";
  } else if (field->type() == FieldDescriptor::TYPE_BOOL) {
    type = "true or false";
  } else if (field->type() == FieldDescriptor::TYPE_ENUM) {
    std::vector<std::string> names;
    for (int i = 1; i < field->enum_type()->value_count(); ++i) {
      names.push_back(EnumText(field->enum_type()->value(i)));
    }
    type = absl::StrJoin(names, ", ");
  } else {
    type = "number";
  }
  return field->is_repeated() ? absl::StrCat("list of ", type, type == "text" ? "s" : "") : type;
}

std::string BoundsText(const FieldDescriptor* field) {
  const v1::FieldRules& rules = RulesOf(field);
  if (!rules.min().empty() && !rules.max().empty()) {
    return absl::StrCat(rules.min(), " – ", rules.max());
  }
  if (!rules.min().empty()) return absl::StrCat("≥ ", rules.min());
  if (!rules.max().empty()) return absl::StrCat("≤ ", rules.max());
  return rules.required() ? "not empty" : "";
}

// What a key has that the file does not mention.
std::string DefaultText(const FieldDescriptor* field) {
  const std::string& text = RulesOf(field).default_();
  if (!text.empty() || field->is_repeated()) return text;
  if (field->type() == FieldDescriptor::TYPE_BOOL) return "false";
  return field->type() == FieldDescriptor::TYPE_INT32 ? "0" : "";
}

std::string Code(const std::string& text) {
  return text.empty() ? "" : absl::StrCat("`", text, "`");
}

class PageWriter {
 public:
  PageWriter(const Comments& comments, std::string* out) : comments_(comments), out_(*out) {}

  void WriteSection(const FieldDescriptor* field) {
    absl::StrAppend(
        &out_, "\n## ", field->name(), "\n", Comment(field), "\n\n",
        "| key | type | default | bounds | | what it is |\n|---|---|---|---|---|---|\n");
    WriteField(field, field->name(), false);
  }

  const std::string& uncommented() const { return uncommented_; }

 private:
  void WriteField(const FieldDescriptor* field, std::string key, bool reload) {
    const v1::FieldRules& rules = RulesOf(field);
    reload = reload || rules.reload();
    if (field->is_map()) {
      const Descriptor* value = field->message_type()->FindFieldByNumber(2)->message_type();
      return WriteFields(value, absl::StrCat(key, ".<name>"), reload);
    }
    const bool leaf = IsScalar(field) ||
                      field->message_type()->full_name() == "covet.config.v1.Rate" ||
                      field->message_type()->full_name() == "google.protobuf.Struct";
    if (leaf) return WriteRow(field, key, TypeText(field), reload);
    if (field->is_repeated()) absl::StrAppend(&key, "[]");
    // The default of a whole section stands in a row of its own.
    if (!rules.default_().empty()) WriteRow(field, key, "section", reload);
    WriteFields(field->message_type(), key, reload);
  }

  void WriteFields(const Descriptor* type, const std::string& key, bool reload) {
    for (int i = 0; i < type->field_count(); ++i) {
      WriteField(type->field(i), absl::StrCat(key, ".", type->field(i)->name()), reload);
    }
  }

  void WriteRow(const FieldDescriptor* field, const std::string& key, const std::string& type,
                bool reload) {
    absl::StrAppend(&out_, "| `", key, "` | ", type, " | ", Code(DefaultText(field)), " | ",
                    BoundsText(field), " | ", reload ? "↻" : "", " | ",
                    absl::StrReplaceAll(Comment(field), {{"|", "\\|"}}), " |\n");
  }

  std::string Comment(const FieldDescriptor* field) {
    const auto it = comments_.find(field->full_name());
    if (it != comments_.end() && !it->second.empty()) return it->second;
    uncommented_ = field->full_name();
    return "";
  }

  const Comments& comments_;
  std::string& out_;
  std::string uncommented_;
};

}  // namespace

absl::StatusOr<std::string> ConfigurationPage(const google::protobuf::FileDescriptorSet& protos) {
  const Comments comments = CollectComments(protos);
  std::string page = kIntroduction;
  PageWriter writer(comments, &page);
  const Descriptor* config = v1::Config::descriptor();
  for (int i = 0; i < config->field_count(); ++i) writer.WriteSection(config->field(i));
  if (!writer.uncommented().empty()) {
    return absl::FailedPreconditionError(absl::StrCat(writer.uncommented(), " has no comment"));
  }
  return page;
}

}  // namespace covet::config
