#pragma once

#include <algorithm>
#include <cstdint>

#include "common/base/id_generator.h"

namespace covet {

// Waiting times between tries: doubled from `min_ms` to `max_ms`. With `ids` each is drawn from the
// upper half of its range, so that many who failed together do not come back together. Not
// thread-safe.
class Backoff {
 public:
  Backoff(int64_t min_ms, int64_t max_ms, IdGenerator* ids = nullptr)
      : min_ms_(min_ms), max_ms_(max_ms), ids_(ids) {}

  // The time until the next try.
  int64_t NextMs() {
    ceiling_ms_ = std::clamp(ceiling_ms_ * 2, min_ms_, max_ms_);
    if (ids_ == nullptr) return ceiling_ms_;
    const int64_t half = ceiling_ms_ / 2;
    return ceiling_ms_ - half +
           static_cast<int64_t>(ids_->Random64() % static_cast<uint64_t>(half + 1));
  }
  // After a success.
  void Reset() { ceiling_ms_ = 0; }

 private:
  const int64_t min_ms_;
  const int64_t max_ms_;
  IdGenerator* ids_;
  int64_t ceiling_ms_ = 0;
};

}  // namespace covet
