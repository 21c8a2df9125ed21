#pragma once

#include <cstdint>

#include "covet/common/v1/common.pb.h"

namespace covet::edge {

// When the identity's credential ends, in Unix milliseconds; 0 for never.
inline int64_t ExpiryMillis(const common::v1::Identity& identity) {
  if (!identity.has_expires_at()) return 0;
  return identity.expires_at().seconds() * 1000 + identity.expires_at().nanos() / 1'000'000;
}

}  // namespace covet::edge
