#pragma once

#include <cstdint>
#include <limits>

#include "absl/time/time.h"
#include "common/base/clock.h"

namespace covet::limits {

// So many in a time, evenly refilled, all of them at once at most.
struct Rate {
  int64_t limit = 0;        // 0 for no limit at all.
  int64_t interval_ns = 0;  // Time that one costs.

  // `count` and `per` are positive. The interval is rounded up: never more than `count` in a `per`.
  static Rate Of(int64_t count, absl::Duration per);
  static Rate Unlimited() { return {}; }

  friend bool operator==(const Rate&, const Rate&) = default;
};

// The answer to one request, and the protocol's `rate_limit` object.
struct RateDecision {
  bool allowed = true;
  int64_t limit = 0;      // As Rate::limit.
  int64_t remaining = 0;  // How many more are accepted now; 0 without a limit.
  int64_t wait_us = 0;    // Until one more is accepted; 0 for now. Rounded up.
};

// `reset` of the protocol: the wall time, in Unix milliseconds, at which one more is accepted.
// Never early.
int64_t ResetWallMillis(const RateDecision& decision, const Clock& clock);

// The generic cell rate algorithm (ITU-T I.371) with a burst of the whole limit: the state is one
// time, a refused request changes nothing. 8 bytes; not thread-safe; times are Clock::SteadyMicros.
// A changed rate takes effect at once.
class Gcra {
 public:
  // Accepts one request, or refuses it at no cost.
  RateDecision Take(const Rate& rate, int64_t now_us);
  // What Take would say of one request now: `allowed` and, before it is taken, `remaining`. Takes
  // nothing.
  RateDecision Peek(const Rate& rate, int64_t now_us) const;
  // Whether the state is worth no more than a new one.
  bool Idle(int64_t now_us) const { return full_at_ns_ <= now_us * 1000; }

  // The state, in nanoseconds of the caller's clock, for keeping it elsewhere.
  int64_t state() const { return full_at_ns_; }
  static Gcra FromState(int64_t state) {
    Gcra gcra;
    gcra.full_at_ns_ = state;
    return gcra;
  }

 private:
  // When everything is refilled (the theoretical arrival time).
  int64_t full_at_ns_ = std::numeric_limits<int64_t>::min();
};

}  // namespace covet::limits
