#pragma once

#include <atomic>
#include <cstdint>

#include "common/base/clock.h"

namespace covet {

// A clock that stands until it is told; for tests and simulations. Thread-safe.
class ManualClock final : public Clock {
 public:
  explicit ManualClock(int64_t wall_ms = 1'757'505'600'000) : wall_us_(wall_ms * 1000) {}

  int64_t WallMillis() const override { return wall_us_ / 1000; }
  int64_t SteadyMicros() const override { return steady_us_; }

  void AdvanceMicros(int64_t us) {
    wall_us_ += us;
    steady_us_ += us;
  }
  void AdvanceMillis(int64_t ms) { AdvanceMicros(ms * 1000); }
  // As when someone sets the machine's time: steady time knows nothing of it.
  void JumpWallMillis(int64_t ms) { wall_us_ += ms * 1000; }

 private:
  std::atomic<int64_t> wall_us_;
  std::atomic<int64_t> steady_us_{1'000'000};
};

}  // namespace covet
