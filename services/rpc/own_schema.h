#pragma once

#include <memory>

#include "common/protojson/schema.h"

namespace covet::rpc {

// The schema of Covet's own services whose methods are callable, from the descriptors that are
// compiled in.
std::shared_ptr<const protojson::Schema> OwnSchema();

}  // namespace covet::rpc
