#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "common/limits/gcra.h"
#include "common/limits/keyed_store.h"

namespace covet::limits {

// One rate for each of many keys (users, addresses), shared between threads. A connection's own
// limit is a bare Gcra. Under a flood of keys beyond the bound the key used longest ago starts
// anew. Thread-safe.
class RateLimiter {
 public:
  static constexpr size_t kDefaultMaxKeys = 65'536;

  explicit RateLimiter(size_t max_keys = kDefaultMaxKeys) : states_(max_keys) {}

  // As Gcra::Take; `now_us` is Clock::SteadyMicros.
  RateDecision Take(std::string_view key, const Rate& rate, int64_t now_us) {
    if (rate.limit == 0) return {};
    return states_.Update(key, now_us, [&](Gcra& state) { return state.Take(rate, now_us); });
  }
  // As Gcra::Peek.
  RateDecision Peek(std::string_view key, const Rate& rate, int64_t now_us) const {
    return states_.Get(key).Peek(rate, now_us);
  }

  size_t size() const { return states_.size(); }
  int64_t evictions() const { return states_.evictions(); }

 private:
  KeyedStore<Gcra> states_;
};

}  // namespace covet::limits
