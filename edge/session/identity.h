#pragma once

#include <cstdint>

#include "common/base/proto_time.h"
#include "covet/common/v1/common.pb.h"

namespace covet::edge {

// When the identity's credential ends, in Unix milliseconds; 0 for never.
inline int64_t ExpiryMillis(const common::v1::Identity& identity) {
  if (!identity.has_expires_at()) return 0;
  return Millis(identity.expires_at());
}

}  // namespace covet::edge
