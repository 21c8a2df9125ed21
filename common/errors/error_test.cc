#include "common/errors/error.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

namespace covet {
namespace {

using testing::IsEmpty;
using testing::Pair;
using testing::UnorderedElementsAre;

TEST(ErrorTest, EveryRowReadsBack) {
  std::set<std::string_view> reasons;
  for (const ErrorTraits& row : ErrorTable()) {
    EXPECT_TRUE(reasons.insert(row.reason).second) << row.reason;
    EXPECT_EQ(ErrorCodeFromReason(row.reason), row.code);
    EXPECT_EQ(TraitsOf(row.code).reason, row.reason);
    const absl::Status status = MakeError(row.code, "m");
    EXPECT_EQ(status.code(), row.status);
    EXPECT_EQ(CodeOf(status), row.code);
    EXPECT_EQ(ProtocolCodeOf(status), row.protocol_code);
    // What the protocol shows is itself a row, with the same answer to whether to try again.
    const auto shown = ErrorCodeFromReason(row.protocol_code);
    ASSERT_TRUE(shown.has_value());
    EXPECT_EQ(TraitsOf(*shown).protocol_code, row.protocol_code);
    EXPECT_EQ(TraitsOf(*shown).recoverable, row.recoverable) << row.reason;
  }
}

TEST(ErrorTest, TheProtocolsCodesAndWhichAreRecoverable) {
  std::set<std::string_view> codes, recoverable;
  for (const ErrorTraits& row : ErrorTable()) {
    codes.insert(row.protocol_code);
    if (IsRecoverable(row.protocol_code)) recoverable.insert(row.protocol_code);
  }
  EXPECT_THAT(codes, UnorderedElementsAre(
                         "AUTH_FAILED", "AUTH_EXPIRED", "RATE_LIMITED", "PERMISSION_DENIED",
                         "ROOM_NOT_FOUND", "SUBSCRIPTION_FAILED", "RPC_TIMEOUT",
                         "INVALID_MESSAGE_FORMAT", "MESSAGE_TOO_LARGE", "NOT_FOUND",
                         "METHOD_NOT_FOUND", "INVALID_ARGUMENT", "CHECKSUM_MISMATCH",
                         "UPLOAD_FAILED", "CONFLICT", "CANCELLED", "UNAVAILABLE", "INTERNAL"));
  EXPECT_THAT(recoverable, UnorderedElementsAre("RATE_LIMITED", "UNAVAILABLE", "RPC_TIMEOUT",
                                                "INTERNAL", "CHECKSUM_MISMATCH"));
  EXPECT_FALSE(IsRecoverable("CONNECTION_FAILED"));
}

TEST(ErrorTest, KeepsDetails) {
  const std::string odd("a\0b:3:\"\n", 8);
  const absl::Status status =
      MakeError(ErrorCode::kInvalidArgument, "no", {{"field", "data.x"}, {odd, ""}, {"", odd}});
  EXPECT_EQ(status.message(), "no");
  EXPECT_THAT(DetailsOf(status),
              UnorderedElementsAre(Pair("field", "data.x"), Pair(odd, ""), Pair("", odd)));
  EXPECT_THAT(DetailsOf(MakeError(ErrorCode::kInternal, "")), IsEmpty());
}

TEST(ErrorTest, PlainStatusesHaveANearestCode) {
  EXPECT_EQ(CodeOf(absl::NotFoundError("")), ErrorCode::kNotFound);
  EXPECT_EQ(CodeOf(absl::UnknownError("")), ErrorCode::kInternal);
  EXPECT_EQ(CodeOf(absl::ResourceExhaustedError("")), ErrorCode::kUnavailable);
  EXPECT_EQ(CodeOf(absl::DeadlineExceededError("")), ErrorCode::kRpcTimeout);
  EXPECT_EQ(CodeOf(absl::UnimplementedError("")), ErrorCode::kMethodNotFound);
  EXPECT_EQ(ProtocolCodeOf(absl::UnauthenticatedError("")), "AUTH_FAILED");
  EXPECT_THAT(DetailsOf(absl::NotFoundError("")), IsEmpty());
}

TEST(ErrorTest, SurvivesAForeignPayload) {
  absl::Status status = absl::AbortedError("x");
  for (const char* payload : {"", "x", "9:short", "99999999999999999999:a", "5:WHAT?", "-1:a"}) {
    status.SetPayload("covet/error", absl::Cord(payload));
    EXPECT_EQ(CodeOf(status), ErrorCode::kConflict) << payload;
    EXPECT_THAT(DetailsOf(status), IsEmpty()) << payload;
  }
}

}  // namespace
}  // namespace covet
