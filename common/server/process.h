#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/config/loader.h"
#include "common/server/role.h"

namespace covet::server {

struct RoleEntry {
  std::string name;
  RoleFactory make;
};

struct ProcessOptions {
  // Where reloads read from.
  config::Sources sources;
  // Loaded from `sources`.
  std::shared_ptr<const config::v1::Config> config;
  // The roles that this program has.
  std::vector<RoleEntry> roles;
  std::string version;
};

// Runs the roles that `config` targets until SIGTERM, SIGINT or a role's failure, and drains them
// then. Returns the exit status: 0 after a drain, 1 if something could not start or failed. Starts
// and stops the logs. Called once, by main, before there are other threads.
int RunProcess(const ProcessOptions& options);

}  // namespace covet::server
