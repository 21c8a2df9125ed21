#pragma once

#include <grpcpp/support/status.h>

#include <string_view>

#include "absl/status/status.h"
#include "common/backends/call.h"
#include "common/errors/error.h"

namespace covet::rpc {

// An error of Covet's as rpc_error shows it.
backends::CallError MakeCallError(ErrorCode code, std::string_view message,
                                  ErrorDetails details = {});

// To whoever lacks `rpc:call` on a method.
absl::Status MayNotCall(std::string_view method);

// A call's error for callers over gRPC: an ErrorInfo with the code as reason and with the details
// that are texts or numbers as metadata, and a RetryInfo where waiting helps.
grpc::Status ToGrpcStatus(const backends::CallError& error);

}  // namespace covet::rpc
