#include "common/backends/circuit_breaker.h"

#include <gtest/gtest.h>

namespace covet::backends {
namespace {

using Ticket = CircuitBreaker::Ticket;
using Outcome = CircuitBreaker::Outcome;

void Call(CircuitBreaker* breaker, Outcome outcome, int64_t now_ms) {
  const Ticket ticket = breaker->Admit(now_ms);
  ASSERT_NE(ticket, Ticket::kRefused);
  breaker->Done(ticket, outcome, now_ms);
}

TEST(CircuitBreakerTest, OpensAfterFailuresInARow) {
  CircuitBreaker breaker(3, 1000);
  Call(&breaker, Outcome::kFailure, 0);
  Call(&breaker, Outcome::kFailure, 0);
  Call(&breaker, Outcome::kSuccess, 0);
  Call(&breaker, Outcome::kFailure, 0);
  Call(&breaker, Outcome::kNeither, 0);
  Call(&breaker, Outcome::kFailure, 0);
  EXPECT_EQ(breaker.state(), BreakerState::kClosed);
  Call(&breaker, Outcome::kFailure, 10);
  EXPECT_EQ(breaker.state(), BreakerState::kOpen);
  EXPECT_EQ(breaker.Admit(1009), Ticket::kRefused);
  EXPECT_EQ(breaker.WaitMillis(1009), 1);
}

TEST(CircuitBreakerTest, TriesOneCallAndClosesOnSuccess) {
  CircuitBreaker breaker(1, 1000);
  Call(&breaker, Outcome::kFailure, 0);
  const Ticket trial = breaker.Admit(1000);
  EXPECT_EQ(trial, Ticket::kTrial);
  EXPECT_EQ(breaker.state(), BreakerState::kTrial);
  EXPECT_EQ(breaker.Admit(1001), Ticket::kRefused);
  breaker.Done(trial, Outcome::kSuccess, 1002);
  EXPECT_EQ(breaker.state(), BreakerState::kClosed);
  EXPECT_EQ(breaker.Admit(1002), Ticket::kNormal);
}

TEST(CircuitBreakerTest, OpensAgainWhenTheTrialFails) {
  CircuitBreaker breaker(1, 1000);
  Call(&breaker, Outcome::kFailure, 0);
  Call(&breaker, Outcome::kFailure, 1500);
  EXPECT_EQ(breaker.Admit(2499), Ticket::kRefused);
  EXPECT_EQ(breaker.Admit(2500), Ticket::kTrial);
}

TEST(CircuitBreakerTest, GivesTheTrialOnWhenItTellsNothing) {
  CircuitBreaker breaker(1, 1000);
  Call(&breaker, Outcome::kFailure, 0);
  Call(&breaker, Outcome::kNeither, 1000);
  EXPECT_EQ(breaker.Admit(1000), Ticket::kTrial);
}

TEST(CircuitBreakerTest, IgnoresWhatBeganBeforeItOpened) {
  CircuitBreaker breaker(1, 1000);
  const Ticket slow = breaker.Admit(0);
  const Ticket slower = breaker.Admit(0);
  Call(&breaker, Outcome::kFailure, 0);
  breaker.Done(slow, Outcome::kSuccess, 1);
  EXPECT_EQ(breaker.Admit(2), Ticket::kRefused);
  breaker.Done(slower, Outcome::kFailure, 900);
  EXPECT_EQ(breaker.Admit(1000), Ticket::kTrial);
}

TEST(CircuitBreakerTest, TriesAtOnceAfterAReconnect) {
  CircuitBreaker breaker(1, 1000);
  Call(&breaker, Outcome::kFailure, 0);
  breaker.Reconnected(5);
  EXPECT_EQ(breaker.Admit(5), Ticket::kTrial);
}

TEST(CircuitBreakerTest, NeverOpensWithZero) {
  CircuitBreaker breaker(0, 1000);
  for (int i = 0; i < 100; ++i) Call(&breaker, Outcome::kFailure, i);
  EXPECT_EQ(breaker.state(), BreakerState::kClosed);
}

}  // namespace
}  // namespace covet::backends
