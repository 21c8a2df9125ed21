#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace covet::token {

// What the command line says.
struct Flags {
  bool api_key = false;  // The first argument is `api-key`.
  bool help = false;
  std::string user = "user_123";
  std::vector<std::string> roles = {"admin"};
  std::vector<std::string> scopes;
  absl::Duration ttl = absl::Hours(1);
  std::string kid;
  std::string config;
  std::string secret_file;
  std::string id = "service";
};

// Reads the arguments after the program's name. A value follows its flag or stands behind `=`; an
// empty one is no roles, no scopes. INVALID_ARGUMENT names what is not understood.
absl::StatusOr<Flags> ParseFlags(const std::vector<std::string>& arguments);

// What --help prints.
extern const char kUsage[];

}  // namespace covet::token
