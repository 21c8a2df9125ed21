#pragma once

#include <cstdint>
#include <string_view>

#include "common/base/clock.h"
#include "common/base/snapshot.h"
#include "common/limits/abuse.h"
#include "common/limits/address.h"
#include "common/limits/gcra.h"
#include "common/limits/rate_limiter.h"

namespace covet::limits {

// What configuration says of connection attempts.
struct AttemptLimits {
  Rate valid = Rate::Of(10, absl::Minutes(1));      // Per user and address, with valid credentials.
  Rate failed = Rate::Of(10, absl::Minutes(1));     // Per address, without.
  Rate address = Rate::Of(1000, absl::Minutes(1));  // Per address, all together.
  NetworkList blocked;
  AbusePolicy abuse;
};

enum class AttemptVerdict : uint8_t {
  kAllowed,
  kBlocked,    // HTTP 403.
  kThrottled,  // HTTP 429.
};

struct AttemptDecision {
  AttemptVerdict verdict = AttemptVerdict::kAllowed;
  // Until an attempt may succeed again, for Retry-After; 0 if unknown.
  int64_t wait_us = 0;

  bool allowed() const { return verdict == AttemptVerdict::kAllowed; }
};

// Decides about connection attempts, in this order: Begin, before credentials are looked at, then
// Valid or Failed. An attempt with valid credentials is never held up by other people's failures
// from the same address. Refused attempts cost nothing. Addresses count by IpAddress::LimitKey.
// Thread-safe.
class ConnectionAttempts {
 public:
  // `clock` must outlive this; `limits` is not null.
  ConnectionAttempts(std::shared_ptr<const AttemptLimits> limits, const Clock& clock);

  // Blocked addresses, then the coarse cap.
  AttemptDecision Begin(const IpAddress& address);
  // Credentials are those of `user`.
  AttemptDecision Valid(std::string_view user, const IpAddress& address);
  // Credentials are missing, wrong or expired. kAllowed means that the client is told so by an
  // `error` and a close code, the others that it gets an HTTP status. Counts as an offence of the
  // address.
  AttemptDecision Failed(const IpAddress& address);

  // An offence on a connection (AbusePolicy) counts for its address too; whether that is blocked
  // now.
  bool Offend(const IpAddress& address);

  // Replaces the limits (SIGHUP); what was counted stays counted.
  void Reload(std::shared_ptr<const AttemptLimits> limits) { limits_.Set(std::move(limits)); }

  // States forgotten because of the memory bound.
  int64_t evictions() const;

 private:
  static AttemptDecision FromRate(const RateDecision& decision);

  const Clock& clock_;
  Snapshot<AttemptLimits> limits_;
  RateLimiter valid_;
  RateLimiter failed_;
  RateLimiter address_;
  AddressAbuse abuse_;
};

}  // namespace covet::limits
