#include "common/limits/gcra.h"

#include <algorithm>

namespace covet::limits {

Rate Rate::Of(int64_t count, absl::Duration per) {
  const int64_t per_ns = absl::ToInt64Nanoseconds(per);
  return {count, std::max<int64_t>((per_ns + count - 1) / count, 1)};
}

int64_t ResetWallMillis(const RateDecision& decision, const Clock& clock) {
  if (decision.wait_us == 0) return clock.WallMillis();
  // WallMillis has cut off up to 999 µs, to which the wait is added.
  return clock.WallMillis() + (decision.wait_us + 999 + 999) / 1000;
}

RateDecision Gcra::Peek(const Rate& rate, int64_t now_us) const {
  RateDecision decision;
  decision.limit = rate.limit;
  if (rate.limit == 0) return decision;
  const int64_t now_ns = now_us * 1000;
  const int64_t debt_ns = std::max(full_at_ns_, now_ns) - now_ns;
  const int64_t used = (debt_ns + rate.interval_ns - 1) / rate.interval_ns;
  decision.allowed = used < rate.limit;
  decision.remaining = std::max<int64_t>(rate.limit - used, 0);
  if (!decision.allowed) {
    const int64_t wait_ns = debt_ns - (rate.limit - 1) * rate.interval_ns;
    decision.wait_us = (wait_ns + 999) / 1000;
  }
  return decision;
}

RateDecision Gcra::Take(const Rate& rate, int64_t now_us) {
  RateDecision decision = Peek(rate, now_us);
  if (!decision.allowed || rate.limit == 0) return decision;
  full_at_ns_ = std::max(full_at_ns_, now_us * 1000) + rate.interval_ns;
  decision = Peek(rate, now_us);
  decision.allowed = true;  // Peek speaks of the next one.
  return decision;
}

}  // namespace covet::limits
