#include "common/errors/grpc_errors.h"

#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/errors/error.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace covet {
namespace {

constexpr int64_t kUnavailableRetryMillis = 1000;

std::string_view Find(const ErrorDetails& details, const std::string& name) {
  const auto it = details.find(name);
  return it == details.end() ? std::string_view() : std::string_view(it->second);
}

std::optional<int64_t> RetryMillis(ErrorCode code, const ErrorDetails& details) {
  if (code != ErrorCode::kRateLimited && code != ErrorCode::kUnavailable) return std::nullopt;
  const std::string_view text = Find(details, "retry_after_ms");
  int64_t millis = 0;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), millis);
  if (result.ec == std::errc() && millis >= 0) return millis;
  if (code == ErrorCode::kUnavailable) return kUnavailableRetryMillis;
  return std::nullopt;
}

std::string FieldDescription(const ErrorDetails& details, const std::string& message) {
  const std::string_view expected = Find(details, "expected");
  if (expected.empty()) return message;
  std::string text = "expected ";
  text.append(expected);
  if (const std::string_view received = Find(details, "received"); !received.empty()) {
    text.append(", received ").append(received);
  }
  return text;
}

}  // namespace

grpc::Status ToGrpcStatus(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  const ErrorCode code = CodeOf(status);
  const ErrorDetails details = DetailsOf(status);
  const std::string message(status.message());

  google::rpc::ErrorInfo info;
  const ErrorTraits& traits = TraitsOf(code);
  info.set_reason(traits.reason.data(), traits.reason.size());
  info.set_domain(kErrorDomain.data(), kErrorDomain.size());
  info.mutable_metadata()->insert(details.begin(), details.end());

  google::rpc::Status rich;
  rich.set_code(static_cast<int>(status.code()));
  rich.set_message(message);
  rich.add_details()->PackFrom(info);
  if (const std::string_view field = Find(details, "field"); !field.empty()) {
    google::rpc::BadRequest bad_request;
    auto* const violation = bad_request.add_field_violations();
    violation->set_field(field.data(), field.size());
    violation->set_description(FieldDescription(details, message));
    rich.add_details()->PackFrom(bad_request);
  }
  if (const std::optional<int64_t> millis = RetryMillis(code, details); millis.has_value()) {
    google::rpc::RetryInfo retry;
    retry.mutable_retry_delay()->set_seconds(*millis / 1000);
    retry.mutable_retry_delay()->set_nanos(static_cast<int32_t>(*millis % 1000) * 1'000'000);
    rich.add_details()->PackFrom(retry);
  }
  return grpc::Status(static_cast<grpc::StatusCode>(status.code()), message,
                      rich.SerializeAsString());
}

absl::Status FromGrpcStatus(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  google::rpc::Status rich;
  if (!status.error_details().empty() && rich.ParseFromString(status.error_details())) {
    for (const auto& detail : rich.details()) {
      google::rpc::ErrorInfo info;
      if (!detail.Is<google::rpc::ErrorInfo>() || !detail.UnpackTo(&info)) continue;
      if (info.domain() != kErrorDomain) continue;
      const std::optional<ErrorCode> code = ErrorCodeFromReason(info.reason());
      if (!code.has_value()) continue;
      return MakeError(*code, status.error_message(),
                       ErrorDetails(info.metadata().begin(), info.metadata().end()));
    }
  }
  // A number beyond the known codes means unknown, as gRPC says.
  const int code = status.error_code();
  return absl::Status(
      code > 0 && code <= 16 ? static_cast<absl::StatusCode>(code) : absl::StatusCode::kUnknown,
      status.error_message());
}

}  // namespace covet
