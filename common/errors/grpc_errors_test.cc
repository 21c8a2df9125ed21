#include "common/errors/grpc_errors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/errors/error.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace covet {
namespace {

using testing::IsEmpty;
using testing::Pair;
using testing::UnorderedElementsAre;

template <typename Detail>
std::optional<Detail> FindDetail(const grpc::Status& status) {
  google::rpc::Status rich;
  EXPECT_TRUE(rich.ParseFromString(status.error_details()));
  EXPECT_EQ(rich.code(), static_cast<int>(status.error_code()));
  EXPECT_EQ(rich.message(), status.error_message());
  Detail detail;
  for (const auto& any : rich.details()) {
    if (any.UnpackTo(&detail)) return detail;
  }
  return std::nullopt;
}

TEST(GrpcErrorsTest, EveryCodeComesBack) {
  for (const ErrorTraits& row : ErrorTable()) {
    const grpc::Status status = ToGrpcStatus(MakeError(row.code, "message", {{"k", "v"}}));
    EXPECT_EQ(static_cast<int>(status.error_code()), static_cast<int>(row.status));
    const auto info = FindDetail<google::rpc::ErrorInfo>(status);
    ASSERT_TRUE(info.has_value());
    EXPECT_EQ(info->reason(), row.reason);
    EXPECT_EQ(info->domain(), "covet");
    const absl::Status back = FromGrpcStatus(status);
    EXPECT_EQ(CodeOf(back), row.code);
    EXPECT_EQ(back.code(), row.status);
    EXPECT_EQ(back.message(), "message");
    EXPECT_THAT(DetailsOf(back), UnorderedElementsAre(Pair("k", "v")));
  }
}

TEST(GrpcErrorsTest, OkIsOk) {
  EXPECT_TRUE(ToGrpcStatus(absl::OkStatus()).ok());
  EXPECT_TRUE(FromGrpcStatus(grpc::Status::OK).ok());
}

TEST(GrpcErrorsTest, NamesABadField) {
  const grpc::Status status =
      ToGrpcStatus(MakeError(ErrorCode::kInvalidArgument, "bad",
                             {{"field", "room_id"}, {"expected", "string"}, {"received", "null"}}));
  const auto bad_request = FindDetail<google::rpc::BadRequest>(status);
  ASSERT_TRUE(bad_request.has_value());
  ASSERT_EQ(bad_request->field_violations_size(), 1);
  EXPECT_EQ(bad_request->field_violations(0).field(), "room_id");
  EXPECT_EQ(bad_request->field_violations(0).description(), "expected string, received null");
  EXPECT_FALSE(
      FindDetail<google::rpc::BadRequest>(ToGrpcStatus(absl::NotFoundError("x"))).has_value());
}

TEST(GrpcErrorsTest, SaysWhenToTryAgainOnlyWhereWaitingHelps) {
  const auto retry = [](ErrorCode code, ErrorDetails details) {
    return FindDetail<google::rpc::RetryInfo>(
        ToGrpcStatus(MakeError(code, "", std::move(details))));
  };
  const auto limited = retry(ErrorCode::kRateLimited, {{"retry_after_ms", "1250"}});
  ASSERT_TRUE(limited.has_value());
  EXPECT_EQ(limited->retry_delay().seconds(), 1);
  EXPECT_EQ(limited->retry_delay().nanos(), 250'000'000);
  EXPECT_FALSE(retry(ErrorCode::kRateLimited, {}).has_value());
  EXPECT_EQ(retry(ErrorCode::kUnavailable, {})->retry_delay().seconds(), 1);
  EXPECT_FALSE(retry(ErrorCode::kNotFound, {{"retry_after_ms", "5"}}).has_value());
}

TEST(GrpcErrorsTest, ForeignStatusesKeepCodeAndMessage) {
  const absl::Status plain = FromGrpcStatus(grpc::Status(grpc::StatusCode::NOT_FOUND, "gone"));
  EXPECT_EQ(plain.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(plain.message(), "gone");

  google::rpc::ErrorInfo info;
  info.set_domain("example.com");
  info.set_reason("ROOM_NOT_FOUND");
  google::rpc::Status rich;
  rich.add_details()->PackFrom(info);
  const absl::Status foreign =
      FromGrpcStatus(grpc::Status(grpc::StatusCode::INTERNAL, "x", rich.SerializeAsString()));
  EXPECT_EQ(CodeOf(foreign), ErrorCode::kInternal);
  EXPECT_THAT(DetailsOf(foreign), IsEmpty());

  EXPECT_EQ(FromGrpcStatus(grpc::Status(grpc::StatusCode::ABORTED, "x", "\xff not a proto")).code(),
            absl::StatusCode::kAborted);
  EXPECT_EQ(FromGrpcStatus(grpc::Status(static_cast<grpc::StatusCode>(20), "x")).code(),
            absl::StatusCode::kUnknown);
}

}  // namespace
}  // namespace covet
