#pragma once

#include <vector>

#include "common/server/process.h"

namespace covet::covetd {

// The roles that this program has.
std::vector<server::RoleEntry> Roles();

}  // namespace covet::covetd
