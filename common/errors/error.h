#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace covet {

// Everything that can go wrong, as the domain names it.
enum class ErrorCode : uint8_t {
  kAuthFailed,
  kAuthExpired,
  kRateLimited,
  kPermissionDenied,
  kRoomNotFound,
  kSubscriptionFailed,
  kRpcTimeout,
  kInvalidMessageFormat,
  kMessageTooLarge,
  kNotFound,
  kMethodNotFound,
  kInvalidArgument,
  kChecksumMismatch,
  kUploadFailed,
  kConflict,
  kCancelled,
  kUnavailable,
  kInternal,
  // Only between services; the protocol shows each as one of those above.
  kUnauthenticated,
  kAlreadyExists,
  kWrongOwner,
  kEpochChanged,
};

// One row of the table that maps an error to gRPC and to the WebSocket protocol.
struct ErrorTraits {
  ErrorCode code;
  std::string_view reason;         // ErrorInfo.reason, unique.
  std::string_view protocol_code;  // `error_code` of the protocol.
  absl::StatusCode status;         // The gRPC status.
  // The same request, unchanged, may succeed later.
  bool recoverable;
};

// Members of the protocol's `details` and ErrorInfo's metadata. By convention `field`, `expected`
// and `received` describe a bad field (BadRequest), and `retry_after_ms` how long to wait
// (RetryInfo).
using ErrorDetails = std::map<std::string, std::string>;

// ErrorInfo.domain of every error of Covet's.
inline constexpr std::string_view kErrorDomain = "covet";

std::span<const ErrorTraits> ErrorTable();
const ErrorTraits& TraitsOf(ErrorCode code);
// By ErrorInfo.reason, which for all codes of the protocol is the protocol's code itself.
std::optional<ErrorCode> ErrorCodeFromReason(std::string_view reason);
// For a code of the protocol; false for one that Covet does not know (a backend's own).
bool IsRecoverable(std::string_view protocol_code);

// An error that keeps its code and details, in a payload of the status. `message` is for people and
// may reach clients.
absl::Status MakeError(ErrorCode code, std::string_view message, ErrorDetails details = {});

// The code of an error made by MakeError; for any other what its absl code comes nearest to:
// UNKNOWN and DATA_LOSS are kInternal, RESOURCE_EXHAUSTED is kUnavailable, FAILED_PRECONDITION and
// ABORTED are kConflict. Requires !status.ok().
ErrorCode CodeOf(const absl::Status& status);

// The details given to MakeError; empty for any other status.
ErrorDetails DetailsOf(const absl::Status& status);

// The protocol's code of `status`: TraitsOf(CodeOf(status)).protocol_code.
std::string_view ProtocolCodeOf(const absl::Status& status);

}  // namespace covet
