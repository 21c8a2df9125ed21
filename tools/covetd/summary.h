#pragma once

#include <string>

#include "covet/config/v1/config.pb.h"

namespace covet::covetd {

// What --check-config prints: the roles that would run, where they listen, whom they call, what
// they keep.
std::string Summary(const config::v1::Config& config);

}  // namespace covet::covetd
