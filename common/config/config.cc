#include "common/config/config.h"

#include <algorithm>
#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "common/base/read_file.h"
#include "common/config/defaults.h"
#include "common/config/values.h"
#include "common/limits/memory_budget.h"

namespace covet::config {
namespace {

absl::StatusOr<std::string> NonEmpty(std::string text, const std::string& where) {
  if (text.empty()) return absl::NotFoundError(absl::StrCat(where, " is empty"));
  return text;
}

}  // namespace

Config DefaultConfig() {
  Config config;
  ApplyDefaults(&config);
  return config;
}

const std::vector<std::string>& AllRoles() {
  static const std::vector<std::string> roles{"rooms", "streams", "rpc", "files", "edge"};
  return roles;
}

std::vector<std::string> RolesOf(const Config& config) {
  std::vector<std::string> roles;
  for (const std::string& role : AllRoles()) {
    if (RunsRole(config, role)) roles.push_back(role);
  }
  return roles;
}

bool RunsRole(const Config& config, std::string_view role) {
  return std::any_of(config.targets().begin(), config.targets().end(),
                     [&](const std::string& target) { return target == "all" || target == role; });
}

bool RunsEverything(const Config& config) { return RolesOf(config).size() == AllRoles().size(); }

int64_t Micros(const google::protobuf::Duration& duration) { return Nanos(duration) / 1000; }

int64_t MemoryBudget(const Config& config) {
  if (config.memory().budget_bytes() > 0) return config.memory().budget_bytes();
  return limits::DefaultMemoryBudget();
}

absl::StatusOr<std::string> ResolveSecret(const v1::Secret& secret) {
  switch (secret.source_case()) {
    case v1::Secret::kValue:
      return NonEmpty(secret.value(), "the secret");
    case v1::Secret::kEnv: {
      const char* value = std::getenv(secret.env().c_str());
      if (value == nullptr) {
        return absl::NotFoundError(
            absl::StrCat("the environment variable ", secret.env(), " is not set"));
      }
      return NonEmpty(value, absl::StrCat("the environment variable ", secret.env()));
    }
    case v1::Secret::kFile: {
      absl::StatusOr<std::string> text = ReadFile(secret.file());
      if (!text.ok()) return text.status();
      if (!text->empty() && text->back() == '\n') text->pop_back();
      return NonEmpty(*std::move(text), secret.file());
    }
    case v1::Secret::SOURCE_NOT_SET:
      break;
  }
  return absl::InvalidArgumentError("needs one of value, env or file");
}

}  // namespace covet::config
