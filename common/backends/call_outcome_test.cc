#include "common/backends/call_outcome.h"

#include <gtest/gtest.h>

namespace covet::backends {
namespace {

using grpc::StatusCode;
using Outcome = CircuitBreaker::Outcome;

Outcome Of(StatusCode code, int64_t took_ms = 5, const std::string& details = "") {
  return OutcomeOf(grpc::Status(code, "m", details), took_ms);
}

TEST(CallOutcomeTest, UnavailableIsAFailure) {
  EXPECT_EQ(Of(StatusCode::UNAVAILABLE), Outcome::kFailure);
}

TEST(CallOutcomeTest, AnAnswerIsNone) {
  EXPECT_EQ(OutcomeOf(grpc::Status::OK, 60'000), Outcome::kSuccess);
  for (const StatusCode code :
       {StatusCode::UNKNOWN, StatusCode::INVALID_ARGUMENT, StatusCode::NOT_FOUND,
        StatusCode::PERMISSION_DENIED, StatusCode::RESOURCE_EXHAUSTED, StatusCode::UNIMPLEMENTED,
        StatusCode::DATA_LOSS}) {
    EXPECT_EQ(Of(code), Outcome::kSuccess) << code;
  }
  EXPECT_EQ(Of(StatusCode::INTERNAL, 5, "from the handler"), Outcome::kSuccess);
}

TEST(CallOutcomeTest, WhatTheCallerMayHaveBroughtAboutTellsNothing) {
  EXPECT_EQ(Of(StatusCode::CANCELLED, 60'000), Outcome::kNeither);
  EXPECT_EQ(Of(StatusCode::INTERNAL), Outcome::kNeither);
  EXPECT_EQ(Of(StatusCode::DEADLINE_EXCEEDED, 1'000), Outcome::kNeither);
  EXPECT_EQ(Of(StatusCode::DEADLINE_EXCEEDED, 8'999), Outcome::kNeither);
}

TEST(CallOutcomeTest, ADeadlineThatGaveTimeEnoughIsAFailure) {
  EXPECT_EQ(Of(StatusCode::DEADLINE_EXCEEDED, 9'990), Outcome::kFailure);
  EXPECT_EQ(Of(StatusCode::DEADLINE_EXCEEDED, 60'000), Outcome::kFailure);
}

}  // namespace
}  // namespace covet::backends
