#pragma once

#include <string>
#include <vector>

#include "common/config/yaml_reader.h"
#include "covet/config/v1/config.pb.h"

namespace covet::config {

// Checks what a type cannot: ranges, forms, references, and what must agree. Appends one line
// `location: key: what is wrong` for each problem. Reads the files and variables that secrets name.
void Validate(const v1::Config& config, const Locations& locations,
              std::vector<std::string>* errors);

// The part of Validate that the declared rules ask for; no other field is looked at.
void ValidateRules(const v1::Config& config, const Locations& locations,
                   std::vector<std::string>* errors);

// Where `key`, or the nearest section above it, was set; `default` if it was not.
std::string LocationOf(const Locations& locations, std::string key);

}  // namespace covet::config
