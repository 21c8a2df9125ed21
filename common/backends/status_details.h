#pragma once

#include <grpcpp/support/status.h>

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "common/backends/call.h"

namespace covet::protojson {
class Schema;
}

namespace covet::backends {

// How a backend's status appears as an error. google.rpc details (ErrorInfo, BadRequest, RetryInfo)
// are taken apart; others go into `details` where `schema` or google/rpc/error_details.proto knows
// their type, but DebugInfo, which is not for strangers. Requires !status.ok().
CallError FromBackendStatus(const grpc::Status& status, const protojson::Schema* schema);

// An error of Covet's own.
CallError FromStatus(const absl::Status& status);

// NOT_FOUND and the like; UNKNOWN for numbers beyond the known ones.
std::string_view GrpcStatusName(int code);

}  // namespace covet::backends
