#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "common/limits/address.h"
#include "common/limits/keyed_store.h"

namespace covet::limits {

// When clients that misbehave are closed and blocked. An offence (a malformed message, a request
// refused after a limit, a failed authentication) counts one point; points halve each half-life.
struct AbusePolicy {
  int64_t close_after = 100;   // Points of one connection that close it (4429); 0 for never.
  int64_t block_after = 1000;  // Points of one address (IPv6: /64) that block it; 0 for never.
  int64_t half_life_us = 60'000'000;
  int64_t block_for_us = 600'000'000;
};

// Whether a score counts as `points`. Rounded: what decays between offences in quick succession
// must not put off the one that reaches the threshold.
inline bool Reaches(double score, int64_t points) {
  return score + 0.5 >= static_cast<double>(points);
}

// Points that decay. 16 bytes; not thread-safe; times are Clock::SteadyMicros.
class DecayingScore {
 public:
  // Adds the points and returns the score with them.
  double Add(double points, int64_t now_us, int64_t half_life_us);
  double At(int64_t now_us, int64_t half_life_us) const;
  // Time until the score has fallen to `target`; 0 if it has.
  int64_t MicrosUntil(double target, int64_t now_us, int64_t half_life_us) const;
  void Clear() { score_ = 0; }

 private:
  double score_ = 0;
  int64_t at_us_ = 0;
};

// The offences of one connection. Not thread-safe.
class ConnectionAbuse {
 public:
  // Counts one; whether the connection is to be closed with 4429.
  bool Offend(const AbusePolicy& policy, int64_t now_us) {
    const double score = score_.Add(1, now_us, policy.half_life_us);
    return policy.close_after > 0 && Reaches(score, policy.close_after);
  }
  // How long to stay away, for the close's reason: until half of the points are gone.
  int64_t WaitMicros(const AbusePolicy& policy, int64_t now_us) const {
    return score_.MicrosUntil(static_cast<double>(policy.close_after) / 2, now_us,
                              policy.half_life_us);
  }

 private:
  DecayingScore score_;
};

// The offences of addresses, and which of them are blocked. Thread-safe. Bounded as KeyedStore is:
// under a flood of more addresses than that the ones seen longest ago are forgotten.
class AddressAbuse {
 public:
  static constexpr size_t kDefaultMaxAddresses = 65'536;

  explicit AddressAbuse(size_t max_addresses = kDefaultMaxAddresses) : states_(max_addresses) {}

  // Counts one; whether the address is blocked, now or already. Its points begin anew with a block.
  bool Offend(const IpAddress& address, const AbusePolicy& policy, int64_t now_us);
  // How long the address stays blocked, in microseconds; 0 if it is not.
  int64_t BlockedFor(const IpAddress& address, int64_t now_us) const;

  size_t size() const { return states_.size(); }
  int64_t evictions() const { return states_.evictions(); }

 private:
  struct State {
    DecayingScore score;
    int64_t blocked_until_us = 0;
    // Until when the points matter, whatever the half-life was.
    int64_t idle_at_us = 0;
    bool Idle(int64_t now_us) const { return now_us >= idle_at_us && now_us >= blocked_until_us; }
  };
  KeyedStore<State> states_;
};

}  // namespace covet::limits
