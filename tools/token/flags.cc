#include "tools/token/flags.h"

#include <map>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace covet::token {

const char kUsage[] =
    R"(usage: covet-token [--user ID] [--roles ROLES] [--scopes GRANTS] [--ttl DURATION] [--kid KEY]
                   [--config FILE | --secret-file FILE]
       covet-token api-key [--id ID] [--user ID] [--roles ROLES]

Prints one JSON Web Token that covetd accepts, and nothing else; or a new API key and the entry
of auth.api_keys that makes covetd accept it.

  --user ID           whom it names (user_123)
  --roles ROLES       role names with commas between them (admin)
  --scopes GRANTS     grants of the token's own, e.g. room:read:project_*,rpc:call
  --ttl DURATION      how long it holds, e.g. 90s, 1h; 0 for ever (1h)
  --kid KEY           the key to sign with (the configuration's first)
  --config FILE       covetd's configuration ($COVET_CONFIG, else deploy/config/demo.yaml)
  --secret-file FILE  a file with an HS256 secret, in place of a configuration
  --id ID             the part of an API key before the dot (service)
)";

absl::StatusOr<Flags> ParseFlags(const std::vector<std::string>& arguments) {
  Flags flags;
  const std::map<std::string, std::string*> texts = {
      {"--user", &flags.user},     {"--kid", &flags.kid},
      {"--config", &flags.config}, {"--secret-file", &flags.secret_file},
      {"--id", &flags.id},
  };
  const std::map<std::string, std::vector<std::string>*> lists = {{"--roles", &flags.roles},
                                                                  {"--scopes", &flags.scopes}};
  for (size_t i = 0; i < arguments.size(); ++i) {
    const std::string& argument = arguments[i];
    if (i == 0 && argument == "api-key") {
      flags.api_key = true;
      continue;
    }
    if (argument == "--help") {
      flags.help = true;
      continue;
    }
    const size_t equals = argument.find('=');
    const std::string name = argument.substr(0, equals);
    const auto text = texts.find(name);
    const auto list = lists.find(name);
    if (text == texts.end() && list == lists.end() && name != "--ttl") {
      return absl::InvalidArgumentError(absl::StrCat("unknown argument ", argument));
    }
    if (equals == std::string::npos && ++i == arguments.size()) {
      return absl::InvalidArgumentError(absl::StrCat(name, " needs a value"));
    }
    const std::string value =
        equals == std::string::npos ? arguments[i] : argument.substr(equals + 1);
    if (text != texts.end()) {
      if (value.empty()) return absl::InvalidArgumentError(absl::StrCat(name, " needs a value"));
      *text->second = value;
    } else if (list != lists.end()) {
      *list->second = absl::StrSplit(value, ',', absl::SkipEmpty());
    } else if (!absl::ParseDuration(value, &flags.ttl) || flags.ttl < absl::ZeroDuration() ||
               flags.ttl > absl::Hours(24 * 365 * 100)) {
      return absl::InvalidArgumentError(
          absl::StrCat("--ttl ", value, " is no duration such as 90s or 1h"));
    }
  }
  return flags;
}

}  // namespace covet::token
