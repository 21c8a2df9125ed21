#include "tools/covetd/flags.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace covet::covetd {

const char kUsage[] =
    R"(usage: covetd [--config FILE] [--set KEY=VALUE]... [--target ROLES] [--check-config | --print-config | --healthcheck]

Runs Covet: by default all roles in one process, with data in ./data.

  --config FILE      YAML; the variable COVET_CONFIG names one too
  --set KEY=VALUE    overrides one key, e.g. --set edge.max_connections=5; the value is YAML
  --target ROLES     all, or any of edge,rooms,streams,rpc,files
  --check-config     validate, tell what would run, and end
  --print-config     print the configuration in force as YAML, without secrets, and end
  --healthcheck      ask the covetd that runs here with this configuration whether it is ready, and end
  --version          print the version and end
  --help             print this and end

Variables such as COVET_EDGE__MAX_CONNECTIONS=5 override the file, --set overrides both.
SIGTERM and SIGINT drain, a second one ends at once; SIGHUP reads the configuration anew.
docs/configuration.md lists every key.
)";

absl::StatusOr<Flags> ParseFlags(const std::vector<std::string>& arguments) {
  Flags flags;
  for (size_t i = 0; i < arguments.size(); ++i) {
    const std::string& argument = arguments[i];
    const size_t equals = argument.find('=');
    const std::string name = argument.substr(0, equals);

    bool* const switched = name == "--check-config"   ? &flags.check_config
                           : name == "--print-config" ? &flags.print_config
                           : name == "--healthcheck"  ? &flags.healthcheck
                           : name == "--version"      ? &flags.version
                           : name == "--help"         ? &flags.help
                                                      : nullptr;
    if (switched != nullptr) {
      if (equals != std::string::npos) {
        return absl::InvalidArgumentError(absl::StrCat(name, " takes no value"));
      }
      *switched = true;
      continue;
    }
    if (name != "--config" && name != "--set" && name != "--target") {
      return absl::InvalidArgumentError(absl::StrCat("unknown argument ", argument));
    }
    std::string value;
    if (equals != std::string::npos) {
      value = argument.substr(equals + 1);
    } else if (++i < arguments.size()) {
      value = arguments[i];
    }
    if (value.empty()) return absl::InvalidArgumentError(absl::StrCat(name, " needs a value"));
    if (name == "--config") {
      flags.config = value;
    } else if (name == "--set") {
      flags.sets.push_back(value);
    } else {
      for (const auto& target : absl::StrSplit(value, ',')) flags.targets.emplace_back(target);
    }
  }
  return flags;
}

}  // namespace covet::covetd
