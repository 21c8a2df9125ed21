#pragma once

#include <functional>
#include <string>

#include "covet/config/v1/config.pb.h"

namespace covet::config {

// The publication and the replication slot of a resource with `database_changes`: as configured,
// else made from its id.
std::string PublicationOf(const v1::StreamResourceConfig& resource);
std::string SlotOf(const v1::StreamResourceConfig& resource);

// Checks the resources of streams and what their sources refer to. Calls `fail` with the key and
// what is wrong with it, for each problem.
void CheckSources(const v1::Config& config,
                  const std::function<void(const std::string& key, const std::string& what)>& fail);

}  // namespace covet::config
