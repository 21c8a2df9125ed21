#include "common/limits/abuse.h"

#include <algorithm>
#include <cmath>

namespace covet::limits {

double DecayingScore::At(int64_t now_us, int64_t half_life_us) const {
  const double halvings = static_cast<double>(now_us - at_us_) / static_cast<double>(half_life_us);
  return score_ * std::exp2(-std::max(halvings, 0.0));
}

double DecayingScore::Add(double points, int64_t now_us, int64_t half_life_us) {
  score_ = At(now_us, half_life_us) + points;
  at_us_ = now_us;
  return score_;
}

int64_t DecayingScore::MicrosUntil(double target, int64_t now_us, int64_t half_life_us) const {
  const double score = At(now_us, half_life_us);
  if (target <= 0 || score <= target) return 0;
  return static_cast<int64_t>(
      std::ceil(std::log2(score / target) * static_cast<double>(half_life_us)));
}

bool AddressAbuse::Offend(const IpAddress& address, const AbusePolicy& policy, int64_t now_us) {
  if (policy.block_after <= 0) return false;
  return states_.Update(address.LimitKey(), now_us, [&](State& state) {
    if (now_us < state.blocked_until_us) return true;
    const double score = state.score.Add(1, now_us, policy.half_life_us);
    state.idle_at_us = now_us + state.score.MicrosUntil(0.5, now_us, policy.half_life_us);
    if (!Reaches(score, policy.block_after)) return false;
    state.score.Clear();
    state.blocked_until_us = now_us + policy.block_for_us;
    return true;
  });
}

int64_t AddressAbuse::BlockedFor(const IpAddress& address, int64_t now_us) const {
  return std::max<int64_t>(states_.Get(address.LimitKey()).blocked_until_us - now_us, 0);
}

}  // namespace covet::limits
