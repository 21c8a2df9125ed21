#include "common/backends/status_details.h"

#include <google/protobuf/text_format.h>
#include <google/protobuf/wrappers.pb.h>
#include <gtest/gtest.h>

#include <string>

#include "common/errors/error.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace covet::backends {
namespace {

class StatusDetailsTest : public ::testing::Test {
 protected:
  CallError Error(int code = 3, const std::string& message = "wrong") {
    return FromBackendStatus(
        grpc::Status(static_cast<grpc::StatusCode>(code), message, rich_.SerializeAsString()),
        nullptr);
  }
  void Add(const google::protobuf::Message& detail) { rich_.add_details()->PackFrom(detail); }

  google::rpc::Status rich_;
};

TEST_F(StatusDetailsTest, NamesStatuses) {
  EXPECT_EQ(Error(5).code, "NOT_FOUND");
  EXPECT_EQ(Error(4).code, "RPC_TIMEOUT");
  EXPECT_EQ(Error(1).code, "CANCELLED");
  EXPECT_EQ(Error(14).code, "UNAVAILABLE");
  EXPECT_EQ(Error(13, "").message, "INTERNAL");
  EXPECT_EQ(Error(13, "a\xff").message, "a\uFFFD");
}

TEST_F(StatusDetailsTest, TakesDetailsApart) {
  google::rpc::ErrorInfo info;
  info.set_reason("CONNECTION_FAILED");
  (*info.mutable_metadata())["port"] = "5432";
  (*info.mutable_metadata())["host"] = "a\"b";
  Add(info);
  google::rpc::BadRequest bad_request;
  auto* const violation = bad_request.add_field_violations();
  violation->set_field("items");
  violation->set_description("must not be empty");
  Add(bad_request);
  google::rpc::RetryInfo retry;
  retry.mutable_retry_delay()->set_seconds(1);
  retry.mutable_retry_delay()->set_nanos(500'000'000);
  Add(retry);
  google::rpc::DebugInfo debug;
  debug.set_detail("a secret");
  Add(debug);
  google::rpc::LocalizedMessage localized;
  localized.set_locale("de");
  localized.set_message("falsch");
  Add(localized);
  Add(google::protobuf::StringValue());  // Known to nobody here.
  const CallError error = Error();
  EXPECT_EQ(error.code, "CONNECTION_FAILED");
  EXPECT_EQ(error.message, "wrong");
  EXPECT_EQ(error.retry_after_ms, 1500);
  EXPECT_EQ(error.grpc_status, 3);
  EXPECT_EQ(error.details,
            R"({"host":"a\"b","port":"5432",)"
            R"("field_violations":[{"field":"items","description":"must not be empty"}],)"
            R"("details":[{"@type":"type.googleapis.com/google.rpc.LocalizedMessage",)"
            R"("locale":"de","message":"falsch"}]})");
}

TEST_F(StatusDetailsTest, KeepsMetadataOverItsOwnNames) {
  google::rpc::ErrorInfo info;
  info.set_reason("X");
  (*info.mutable_metadata())["field_violations"] = "mine";
  Add(info);
  google::rpc::BadRequest bad_request;
  bad_request.add_field_violations()->set_field("f");
  Add(bad_request);
  EXPECT_EQ(Error().details, R"({"field_violations":"mine"})");
}

TEST_F(StatusDetailsTest, IgnoresWhatMakesNoSense) {
  google::rpc::ErrorInfo info;
  info.set_reason(std::string(1000, 'x'));
  Add(info);
  google::rpc::RetryInfo retry;
  retry.mutable_retry_delay()->set_seconds(-5);
  Add(retry);
  const CallError error = Error();
  EXPECT_EQ(error.code, "INVALID_ARGUMENT");
  EXPECT_EQ(error.retry_after_ms, 0);
  EXPECT_EQ(error.details, "");
  EXPECT_EQ(
      FromBackendStatus(grpc::Status(grpc::StatusCode::INTERNAL, "m", "\xff\xff"), nullptr).code,
      "INTERNAL");
}

TEST(FromStatusTest, KeepsCovetsOwnErrors) {
  const CallError error = FromStatus(
      MakeError(ErrorCode::kInvalidArgument, "bad", {{"field", "params.a"}, {"expected", "b"}}));
  EXPECT_EQ(error.code, "INVALID_ARGUMENT");
  EXPECT_EQ(error.details, R"({"expected":"b","field":"params.a"})");
  EXPECT_EQ(error.grpc_status, 3);
}

}  // namespace
}  // namespace covet::backends
