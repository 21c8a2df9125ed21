#include "common/backends/circuit_breaker.h"

#include <algorithm>

namespace covet::backends {

CircuitBreaker::Ticket CircuitBreaker::Admit(int64_t now_ms) {
  switch (state_) {
    case BreakerState::kClosed:
      return Ticket::kNormal;
    case BreakerState::kOpen:
      if (now_ms < open_until_ms_) return Ticket::kRefused;
      state_ = BreakerState::kTrial;
      return Ticket::kTrial;
    case BreakerState::kTrial:
      break;
  }
  return Ticket::kRefused;
}

void CircuitBreaker::Done(Ticket ticket, Outcome outcome, int64_t now_ms) {
  if (ticket == Ticket::kTrial) {
    switch (outcome) {
      case Outcome::kSuccess:
        state_ = BreakerState::kClosed;
        in_a_row_ = 0;
        return;
      case Outcome::kFailure:
        Open(now_ms);
        return;
      case Outcome::kNeither:
        // The next call is the trial.
        state_ = BreakerState::kOpen;
        open_until_ms_ = now_ms;
        return;
    }
  }
  // What began before it opened tells nothing new.
  if (ticket != Ticket::kNormal || state_ != BreakerState::kClosed) return;
  if (outcome == Outcome::kSuccess) in_a_row_ = 0;
  if (outcome != Outcome::kFailure) return;
  ++in_a_row_;
  if (failures_ > 0 && in_a_row_ >= failures_) Open(now_ms);
}

void CircuitBreaker::Reconnected(int64_t now_ms) {
  if (state_ == BreakerState::kOpen) open_until_ms_ = now_ms;
}

int64_t CircuitBreaker::WaitMillis(int64_t now_ms) const {
  return state_ == BreakerState::kOpen ? std::max<int64_t>(open_until_ms_ - now_ms, 0) : 0;
}

void CircuitBreaker::Open(int64_t now_ms) {
  state_ = BreakerState::kOpen;
  in_a_row_ = 0;
  open_until_ms_ = now_ms + open_for_ms_;
}

}  // namespace covet::backends
