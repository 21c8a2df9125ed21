#include "common/config/loader.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <regex>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "common/base/read_file.h"
#include "common/config/defaults.h"
#include "common/config/validate.h"

namespace covet::config {
namespace {

constexpr char kPrefix[] = "COVET_";

// The variables that secrets take their values from.
void CollectSecretVariables(const google::protobuf::Message& message,
                            std::set<std::string>* names) {
  if (message.GetDescriptor() == v1::Secret::descriptor()) {
    const auto& secret = static_cast<const v1::Secret&>(message);
    if (secret.has_env()) names->insert(secret.env());
    return;
  }
  std::vector<const google::protobuf::FieldDescriptor*> fields;
  const auto* reflection = message.GetReflection();
  reflection->ListFields(message, &fields);
  for (const auto* field : fields) {
    if (field->type() != google::protobuf::FieldDescriptor::TYPE_MESSAGE) continue;
    if (!field->is_repeated()) {
      CollectSecretVariables(reflection->GetMessage(message, field), names);
      continue;
    }
    for (int i = 0; i < reflection->FieldSize(message, field); ++i) {
      CollectSecretVariables(reflection->GetRepeatedMessage(message, field, i), names);
    }
  }
}

class Loading {
 public:
  void ReadFile(const std::string& name, const std::string& text) {
    YamlReader(name, &locations_, &errors_).ReadFile(text, &config_);
  }

  void ReadEnvironment(const std::vector<std::pair<std::string, std::string>>& environment) {
    for (const auto& [name, value] : environment) {
      if (!absl::StartsWith(name, kPrefix) || IsForeignVariable(name)) continue;
      const std::string key = absl::AsciiStrToLower(name.substr(sizeof(kPrefix) - 1));
      const std::vector<std::string> path = absl::StrSplit(key, "__");
      if (v1::Config::descriptor()->FindFieldByName(path[0]) == nullptr) {
        unknown_variables_.emplace_back(name, path);
        continue;
      }
      YamlReader(name, &locations_, &errors_).ReadPath(path, value, &config_);
    }
  }

  void ReadSet(const std::string& set) {
    const size_t equals = set.find('=');
    if (equals == std::string::npos || equals == 0) {
      errors_.push_back(absl::StrCat("--set ", set, ": is not key=value"));
      return;
    }
    const std::string key = set.substr(0, equals);
    const std::vector<std::string> path = absl::StrSplit(key, '.');
    YamlReader(absl::StrCat("--set ", key), &locations_, &errors_)
        .ReadPath(path, set.substr(equals + 1), &config_);
  }

  void SetTargets(const std::vector<std::string>& targets) {
    if (targets.empty()) return;
    config_.mutable_targets()->Assign(targets.begin(), targets.end());
    locations_["targets"] = "--target";
  }

  absl::StatusOr<v1::Config> Finish(const decltype(Sources::check)& check) {
    std::set<std::string> secrets;
    CollectSecretVariables(config_, &secrets);
    for (const auto& [name, path] : unknown_variables_) {
      if (secrets.contains(name)) continue;
      // The reader words the error.
      YamlReader(name, nullptr, &errors_).ReadPath(path, "", &config_);
    }
    // A value that could not be read is not worth a second complaint.
    if (errors_.empty()) Validate(config_, locations_, &errors_);
    if (errors_.empty() && check) {
      check(config_, [this](const std::string& key, const std::string& what) {
        errors_.push_back(absl::StrCat(LocationOf(locations_, key), ": ", key, ": ", what));
      });
    }
    if (!errors_.empty()) return absl::InvalidArgumentError(absl::StrJoin(errors_, "\n"));
    return std::move(config_);
  }

  Loading() { ApplyDefaults(&config_); }

 private:
  v1::Config config_;
  Locations locations_;
  std::vector<std::string> errors_;
  std::vector<std::pair<std::string, std::vector<std::string>>> unknown_variables_;
};

}  // namespace

std::vector<std::pair<std::string, std::string>> ProcessEnvironment() {
  std::vector<std::pair<std::string, std::string>> environment;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    const std::string text = *variable;
    const size_t equals = text.find('=');
    if (equals == std::string::npos) continue;
    environment.emplace_back(text.substr(0, equals), text.substr(equals + 1));
  }
  return environment;
}

bool IsForeignVariable(const std::string& name) {
  if (name == "COVET_CONFIG" || absl::StartsWith(name, "COVET_DEV_") ||
      absl::StartsWith(name, "COVET_TEST_")) {
    return true;
  }
  static const std::regex kKubernetes(
      "COVET(_[A-Z0-9]+)*_(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT(_[0-9]+_(TCP|UDP)(_[A-Z]+)?"
      ")?)");
  return !absl::StrContains(name, "__") && std::regex_match(name, kKubernetes);
}

absl::StatusOr<v1::Config> Load(const Sources& sources) {
  Loading loading;
  if (!sources.file.empty()) {
    auto text = covet::ReadFile(sources.file);
    if (!text.ok()) return text.status();
    loading.ReadFile(sources.file, *text);
  }
  loading.ReadEnvironment(sources.environment);
  for (const std::string& set : sources.sets) loading.ReadSet(set);
  loading.SetTargets(sources.targets);
  return loading.Finish(sources.check);
}

absl::StatusOr<Reloaded> Reload(const Sources& sources, const v1::Config& current) {
  auto config = Load(sources);
  if (!config.ok()) return config.status();
  Reloaded reloaded;
  reloaded.changes = KeepWhatNeedsRestart(current, &*config);
  reloaded.config = std::make_shared<const v1::Config>(*std::move(config));
  return reloaded;
}

}  // namespace covet::config
