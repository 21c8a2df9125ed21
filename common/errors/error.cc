#include "common/errors/error.h"

#include <charconv>
#include <utility>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace covet {
namespace {

using absl::StatusCode;

constexpr ErrorTraits kTable[] = {
    {ErrorCode::kAuthFailed, "AUTH_FAILED", "AUTH_FAILED", StatusCode::kUnauthenticated, false},
    {ErrorCode::kAuthExpired, "AUTH_EXPIRED", "AUTH_EXPIRED", StatusCode::kUnauthenticated, false},
    {ErrorCode::kRateLimited, "RATE_LIMITED", "RATE_LIMITED", StatusCode::kResourceExhausted, true},
    {ErrorCode::kPermissionDenied, "PERMISSION_DENIED", "PERMISSION_DENIED",
     StatusCode::kPermissionDenied, false},
    {ErrorCode::kRoomNotFound, "ROOM_NOT_FOUND", "ROOM_NOT_FOUND", StatusCode::kNotFound, false},
    {ErrorCode::kSubscriptionFailed, "SUBSCRIPTION_FAILED", "SUBSCRIPTION_FAILED",
     StatusCode::kFailedPrecondition, false},
    {ErrorCode::kRpcTimeout, "RPC_TIMEOUT", "RPC_TIMEOUT", StatusCode::kDeadlineExceeded, true},
    {ErrorCode::kInvalidMessageFormat, "INVALID_MESSAGE_FORMAT", "INVALID_MESSAGE_FORMAT",
     StatusCode::kInvalidArgument, false},
    {ErrorCode::kMessageTooLarge, "MESSAGE_TOO_LARGE", "MESSAGE_TOO_LARGE",
     StatusCode::kInvalidArgument, false},
    {ErrorCode::kNotFound, "NOT_FOUND", "NOT_FOUND", StatusCode::kNotFound, false},
    {ErrorCode::kMethodNotFound, "METHOD_NOT_FOUND", "METHOD_NOT_FOUND", StatusCode::kUnimplemented,
     false},
    {ErrorCode::kInvalidArgument, "INVALID_ARGUMENT", "INVALID_ARGUMENT",
     StatusCode::kInvalidArgument, false},
    {ErrorCode::kChecksumMismatch, "CHECKSUM_MISMATCH", "CHECKSUM_MISMATCH", StatusCode::kDataLoss,
     true},
    {ErrorCode::kUploadFailed, "UPLOAD_FAILED", "UPLOAD_FAILED", StatusCode::kFailedPrecondition,
     false},
    {ErrorCode::kConflict, "CONFLICT", "CONFLICT", StatusCode::kAborted, false},
    {ErrorCode::kCancelled, "CANCELLED", "CANCELLED", StatusCode::kCancelled, false},
    {ErrorCode::kUnavailable, "UNAVAILABLE", "UNAVAILABLE", StatusCode::kUnavailable, true},
    {ErrorCode::kInternal, "INTERNAL", "INTERNAL", StatusCode::kInternal, true},
    {ErrorCode::kUnauthenticated, "UNAUTHENTICATED", "AUTH_FAILED", StatusCode::kUnauthenticated,
     false},
    {ErrorCode::kAlreadyExists, "ALREADY_EXISTS", "CONFLICT", StatusCode::kAlreadyExists, false},
    {ErrorCode::kWrongOwner, "WRONG_OWNER", "UNAVAILABLE", StatusCode::kFailedPrecondition, true},
    {ErrorCode::kEpochChanged, "EPOCH_CHANGED", "CONFLICT", StatusCode::kAborted, false},
};

constexpr bool RowsMatchCodes() {
  for (size_t i = 0; i < std::size(kTable); ++i) {
    if (kTable[i].code != static_cast<ErrorCode>(i)) return false;
  }
  return kTable[std::size(kTable) - 1].code == ErrorCode::kEpochChanged;
}
static_assert(RowsMatchCodes(), "one row per code, in the order of the enum");

constexpr absl::string_view kPayloadUrl = "covet/error";

// The payload is a row of netstrings (`5:hello`): the reason, then names and values of the details.
void AppendNetstring(std::string* out, std::string_view text) {
  absl::StrAppend(out, text.size(), ":");
  out->append(text);
}

bool TakeNetstring(std::string_view* in, std::string_view* text) {
  size_t size = 0;
  const char* const end = in->data() + in->size();
  const auto [colon, error] = std::from_chars(in->data(), end, size);
  if (error != std::errc() || colon == end || *colon != ':' ||
      static_cast<size_t>(end - colon - 1) < size) {
    return false;
  }
  *text = std::string_view(colon + 1, size);
  *in = std::string_view(colon + 1 + size, static_cast<size_t>(end - colon - 1) - size);
  return true;
}

ErrorCode NearestCode(StatusCode status) {
  switch (status) {
    case StatusCode::kCancelled:
      return ErrorCode::kCancelled;
    case StatusCode::kInvalidArgument:
    case StatusCode::kOutOfRange:
      return ErrorCode::kInvalidArgument;
    case StatusCode::kDeadlineExceeded:
      return ErrorCode::kRpcTimeout;
    case StatusCode::kNotFound:
      return ErrorCode::kNotFound;
    case StatusCode::kAlreadyExists:
      return ErrorCode::kAlreadyExists;
    case StatusCode::kPermissionDenied:
      return ErrorCode::kPermissionDenied;
    case StatusCode::kUnauthenticated:
      return ErrorCode::kUnauthenticated;
    case StatusCode::kFailedPrecondition:
    case StatusCode::kAborted:
      return ErrorCode::kConflict;
    case StatusCode::kUnimplemented:
      return ErrorCode::kMethodNotFound;
    // Without a reason it is a full queue somewhere, not a caller's rate.
    case StatusCode::kResourceExhausted:
    case StatusCode::kUnavailable:
      return ErrorCode::kUnavailable;
    default:
      return ErrorCode::kInternal;
  }
}

}  // namespace

std::span<const ErrorTraits> ErrorTable() { return kTable; }

const ErrorTraits& TraitsOf(ErrorCode code) { return kTable[static_cast<size_t>(code)]; }

std::optional<ErrorCode> ErrorCodeFromReason(std::string_view reason) {
  for (const ErrorTraits& row : kTable) {
    if (row.reason == reason) return row.code;
  }
  return std::nullopt;
}

bool IsRecoverable(std::string_view protocol_code) {
  const std::optional<ErrorCode> code = ErrorCodeFromReason(protocol_code);
  return code.has_value() && TraitsOf(*code).recoverable;
}

absl::Status MakeError(ErrorCode code, std::string_view message, ErrorDetails details) {
  const ErrorTraits& traits = TraitsOf(code);
  std::string payload;
  AppendNetstring(&payload, traits.reason);
  for (const auto& [name, value] : details) {
    AppendNetstring(&payload, name);
    AppendNetstring(&payload, value);
  }
  absl::Status status(traits.status, absl::string_view(message.data(), message.size()));
  status.SetPayload(kPayloadUrl, absl::Cord(std::move(payload)));
  return status;
}

ErrorCode CodeOf(const absl::Status& status) {
  if (const auto payload = status.GetPayload(kPayloadUrl); payload.has_value()) {
    const std::string text(*payload);
    std::string_view rest = text, reason;
    if (TakeNetstring(&rest, &reason)) {
      if (const auto code = ErrorCodeFromReason(reason); code.has_value()) return *code;
    }
  }
  return NearestCode(status.code());
}

ErrorDetails DetailsOf(const absl::Status& status) {
  ErrorDetails details;
  const auto payload = status.GetPayload(kPayloadUrl);
  if (!payload.has_value()) return details;
  const std::string text(*payload);
  std::string_view rest = text, name, value;
  TakeNetstring(&rest, &name);  // The reason.
  while (TakeNetstring(&rest, &name) && TakeNetstring(&rest, &value)) details.emplace(name, value);
  return details;
}

std::string_view ProtocolCodeOf(const absl::Status& status) {
  return TraitsOf(CodeOf(status)).protocol_code;
}

}  // namespace covet
