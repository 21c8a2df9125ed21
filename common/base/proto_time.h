#pragma once

#include <algorithm>
#include <cstdint>

namespace covet {

// A google.protobuf.Duration or Timestamp in whole milliseconds, rounded towards zero. A peer may
// send any number of seconds: beyond the 10,000 years that either may hold it is the bound, so that
// sums with other times do not overflow.
template <typename Time>
int64_t Millis(const Time& time) {
  constexpr int64_t kMaxSeconds = 315'576'000'000;
  return std::clamp<int64_t>(time.seconds(), -kMaxSeconds, kMaxSeconds) * 1'000 +
         time.nanos() / 1'000'000;
}

}  // namespace covet
