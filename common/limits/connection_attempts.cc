#include "common/limits/connection_attempts.h"

#include <memory>
#include <string>
#include <utility>

namespace covet::limits {

ConnectionAttempts::ConnectionAttempts(std::shared_ptr<const AttemptLimits> limits,
                                       const Clock& clock)
    : clock_(clock), limits_(std::move(limits)) {}

AttemptDecision ConnectionAttempts::FromRate(const RateDecision& decision) {
  if (decision.allowed) return {};
  return {AttemptVerdict::kThrottled, decision.wait_us};
}

AttemptDecision ConnectionAttempts::Begin(const IpAddress& address) {
  const std::shared_ptr<const AttemptLimits> limits = limits_.Get();
  const int64_t now_us = clock_.SteadyMicros();
  if (limits->blocked.Contains(address)) return {AttemptVerdict::kBlocked, 0};
  if (const int64_t wait_us = abuse_.BlockedFor(address, now_us); wait_us > 0) {
    return {AttemptVerdict::kBlocked, wait_us};
  }
  return FromRate(address_.Take(address.LimitKey(), limits->address, now_us));
}

AttemptDecision ConnectionAttempts::Valid(std::string_view user, const IpAddress& address) {
  // An address holds no space, so no two pairs give the same key.
  std::string key = address.LimitKey();
  key.append(" ").append(user);
  return FromRate(valid_.Take(key, limits_.Get()->valid, clock_.SteadyMicros()));
}

AttemptDecision ConnectionAttempts::Failed(const IpAddress& address) {
  const std::shared_ptr<const AttemptLimits> limits = limits_.Get();
  const int64_t now_us = clock_.SteadyMicros();
  abuse_.Offend(address, limits->abuse, now_us);
  return FromRate(failed_.Take(address.LimitKey(), limits->failed, now_us));
}

bool ConnectionAttempts::Offend(const IpAddress& address) {
  return abuse_.Offend(address, limits_.Get()->abuse, clock_.SteadyMicros());
}

int64_t ConnectionAttempts::evictions() const {
  return valid_.evictions() + failed_.evictions() + address_.evictions() + abuse_.evictions();
}

}  // namespace covet::limits
