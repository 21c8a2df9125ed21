#include "services/files/domain/errors.h"

namespace covet::files {

absl::Status TypeNotAllowed(std::string_view mimetype) {
  return MakeError(ErrorCode::kInvalidArgument,
                   "You may not upload files of the type " + std::string(mimetype),
                   {{"field", "mimetype"},
                    {"expected", "an allowed media type"},
                    {"received", std::string(mimetype)},
                    {"reason", "TYPE_NOT_ALLOWED"}});
}

absl::Status FileTooLarge(int64_t limit, int64_t size) {
  return MakeError(ErrorCode::kInvalidArgument,
                   "A file may have " + std::to_string(limit) + " bytes",
                   {{"field", "size"},
                    {"expected", "at most " + std::to_string(limit)},
                    {"received", std::to_string(size)},
                    {"reason", "TOO_LARGE"}});
}

absl::Status NoSuchUpload(std::string_view upload_id) {
  return MakeError(ErrorCode::kNotFound, "There is no upload " + std::string(upload_id),
                   {{"upload_id", std::string(upload_id)}});
}

absl::Status NoSuchFile(std::string_view file_id) {
  return MakeError(ErrorCode::kNotFound, "There is no file " + std::string(file_id),
                   {{"file_id", std::string(file_id)}});
}

absl::Status UploadDiffers(std::string_view field) {
  return MakeError(ErrorCode::kConflict, "The upload is known with another " + std::string(field),
                   {{"field", std::string(field)}});
}

absl::Status UploadEnded(const UploadRecord& upload) {
  const ErrorDetails details = {{"upload_id", upload.upload_id}};
  ErrorDetails with_reason = details;
  switch (upload.state) {
    case v1::UPLOAD_STATE_CANCELLED:
      return MakeError(ErrorCode::kCancelled, "The upload was cancelled", details);
    case v1::UPLOAD_STATE_EXPIRED:
      with_reason.emplace("reason", "EXPIRED");
      return MakeError(ErrorCode::kUploadFailed, "The upload was abandoned for too long",
                       with_reason);
    case v1::UPLOAD_STATE_COMPLETED:
      return NoSuchFile(upload.file_id);
    default:
      break;
  }
  with_reason.emplace("reason", upload.failure);
  if (upload.failure != "CHECKSUM_MISMATCH") {
    return MakeError(ErrorCode::kUploadFailed, "The upload could not be kept", with_reason);
  }
  with_reason.emplace("field", "sha256");
  with_reason.emplace("expected", upload.sha256);
  with_reason.emplace("received", "another digest");
  return MakeError(ErrorCode::kUploadFailed, "The file is not the one that was announced",
                   with_reason);
}

absl::Status OverQuota(std::string_view reason, int64_t limit) {
  return MakeError(ErrorCode::kConflict, "You hold as much as you may",
                   {{"reason", std::string(reason)}, {"limit", std::to_string(limit)}});
}

absl::Status UploadsRateLimited(const limits::RateDecision& decision, int64_t reset_ms) {
  return MakeError(ErrorCode::kRateLimited, "over the rate of uploads",
                   {{"scope", "uploads"},
                    {"limit", std::to_string(decision.limit)},
                    {"remaining", std::to_string(decision.remaining)},
                    {"reset_ms", std::to_string(reset_ms)},
                    {"retry_after_ms", std::to_string((decision.wait_us + 999) / 1000)}});
}

absl::Status ChecksumMismatch(std::string_view field) {
  return MakeError(ErrorCode::kChecksumMismatch, "The data is not what its checksum says",
                   {{"field", std::string(field)},
                    {"expected", "the SHA-256 of the data"},
                    {"received", "another digest"}});
}

absl::Status Unavailable(std::string_view reason, std::string_view why) {
  return MakeError(ErrorCode::kUnavailable, why, {{"reason", std::string(reason)}});
}

}  // namespace covet::files
