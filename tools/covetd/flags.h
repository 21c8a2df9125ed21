#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace covet::covetd {

// What the command line says.
struct Flags {
  std::string config;                // --config FILE
  std::vector<std::string> sets;     // --set KEY=VALUE, any number of times
  std::vector<std::string> targets;  // --target all|edge|…, with commas or several times
  bool check_config = false;
  bool print_config = false;
  bool healthcheck = false;
  bool version = false;
  bool help = false;
};

// Reads the arguments after the program's name. A value follows its flag or stands behind `=`.
// INVALID_ARGUMENT names what is not understood.
absl::StatusOr<Flags> ParseFlags(const std::vector<std::string>& arguments);

// What --help prints.
extern const char kUsage[];

}  // namespace covet::covetd
