#pragma once

#include <cstdint>

namespace covet::backends {

enum class BreakerState : uint8_t { kClosed, kOpen, kTrial };

// Leaves a backend alone for a while after failures in a row. Not thread-safe. Times are
// milliseconds of a steady clock.
class CircuitBreaker {
 public:
  enum class Ticket : uint8_t { kRefused, kNormal, kTrial };
  enum class Outcome : uint8_t {
    kSuccess,
    kFailure,
    kNeither,  // Tells nothing of the backend, e.g. a call that was cancelled.
  };

  // `failures` in a row open it, 0 never does; then for `open_for_ms`, until one trial.
  CircuitBreaker(int failures, int64_t open_for_ms)
      : failures_(failures), open_for_ms_(open_for_ms) {}

  // Asks for one call. Every ticket but kRefused is to be given back with Done.
  Ticket Admit(int64_t now_ms);
  void Done(Ticket ticket, Outcome outcome, int64_t now_ms);
  // The backend was connected to anew: no need to wait for the trial.
  void Reconnected(int64_t now_ms);

  BreakerState state() const { return state_; }
  // Until a trial; 0 if calls are admitted.
  int64_t WaitMillis(int64_t now_ms) const;

 private:
  void Open(int64_t now_ms);

  const int failures_;
  const int64_t open_for_ms_;
  BreakerState state_ = BreakerState::kClosed;
  int in_a_row_ = 0;
  int64_t open_until_ms_ = 0;
};

}  // namespace covet::backends
