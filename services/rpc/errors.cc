#include "services/rpc/errors.h"

#include <google/protobuf/struct.pb.h>

#include <string>
#include <utility>

#include "common/backends/status_details.h"
#include "common/payload/json_writer.h"
#include "common/payload/struct_json.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace covet::rpc {
namespace {

using backends::CallError;

std::string TextOf(const google::protobuf::Value& value) {
  std::string text;
  switch (value.kind_case()) {
    case google::protobuf::Value::kStringValue:
      return value.string_value();
    case google::protobuf::Value::kNumberValue:
      payload::AppendDouble(&text, value.number_value());
      return text;
    case google::protobuf::Value::kBoolValue:
      return value.bool_value() ? "true" : "false";
    default:
      return "";
  }
}

}  // namespace

CallError MakeCallError(ErrorCode code, std::string_view message, ErrorDetails details) {
  return backends::FromStatus(MakeError(code, message, std::move(details)));
}

absl::Status MayNotCall(std::string_view method) {
  return MakeError(ErrorCode::kPermissionDenied, "you may not call this method",
                   {{"action", "rpc:call"}, {"resource", std::string(method)}});
}

grpc::Status ToGrpcStatus(const CallError& error) {
  google::rpc::ErrorInfo info;
  info.set_reason(error.code);
  info.set_domain(kErrorDomain.data(), kErrorDomain.size());
  google::protobuf::Struct details;
  if (!error.details.empty() && payload::JsonToStruct(error.details, &details)) {
    for (const auto& [name, value] : details.fields()) {
      if (std::string text = TextOf(value); !text.empty()) {
        (*info.mutable_metadata())[name] = std::move(text);
      }
    }
  }
  google::rpc::Status rich;
  rich.set_code(error.grpc_status);
  rich.set_message(error.message);
  rich.add_details()->PackFrom(info);
  if (error.retry_after_ms > 0) {
    google::rpc::RetryInfo retry;
    retry.mutable_retry_delay()->set_seconds(error.retry_after_ms / 1000);
    retry.mutable_retry_delay()->set_nanos(static_cast<int32_t>(error.retry_after_ms % 1000) *
                                           1'000'000);
    rich.add_details()->PackFrom(retry);
  }
  return grpc::Status(static_cast<grpc::StatusCode>(error.grpc_status), error.message,
                      rich.SerializeAsString());
}

}  // namespace covet::rpc
