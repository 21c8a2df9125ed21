#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "common/config/diff.h"
#include "common/config/yaml_reader.h"
#include "covet/config/v1/config.pb.h"

namespace covet::config {

// Where a configuration comes from; each source overrides those before it.
struct Sources {
  // A YAML file; empty for none.
  std::string file = {};
  // Variables as NAME, value. `COVET_EDGE__MAX_CONNECTIONS` sets edge.max_connections: `__` stands
  // between levels, the value is YAML (`[a, b]` for a list). Names that do not begin with COVET_
  // are ignored; see IsForeignVariable.
  std::vector<std::pair<std::string, std::string>> environment = {};
  // `edge.max_connections=5`; the value is YAML.
  std::vector<std::string> sets = {};
  // Replaces `targets` if not empty.
  std::vector<std::string> targets = {};
  // Asked when all else is well; `fail` takes a key and what is wrong with it.
  std::function<void(const v1::Config& config,
                     const std::function<void(const std::string& key, const std::string& what)>&)>
      check = nullptr;
};

// The process's environment.
std::vector<std::pair<std::string, std::string>> ProcessEnvironment();

// Whether a name that begins with COVET_ is no override: COVET_CONFIG (the file's path, read by
// main), COVET_DEV_* and COVET_TEST_* (the build's and the tests' own), and what Kubernetes sets
// for a service named covet or covet-…, e.g. COVET_SERVICE_HOST or COVET_EDGE_PORT_8000_TCP.
// Variables that a secret's `env` names are no overrides either.
bool IsForeignVariable(const std::string& name);

// Reads defaults, file, environment and sets, in this order, and validates the result.
// INVALID_ARGUMENT holds every problem, one per line, each with its place and key; NOT_FOUND if the
// file cannot be read.
absl::StatusOr<v1::Config> Load(const Sources& sources);

struct Reloaded {
  std::shared_ptr<const v1::Config> config;
  Changes changes;
};

// Loads anew. Fields that need a restart keep their current value and are listed.
absl::StatusOr<Reloaded> Reload(const Sources& sources, const v1::Config& current);

}  // namespace covet::config
