#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "common/errors/error.h"
#include "common/errors/refusals.h"
#include "common/limits/gcra.h"
#include "services/files/domain/records.h"

namespace covet::files {

// What the files service refuses with beside common/errors/refusals.h, one constructor for each
// reason. Fields are named as in
// the protocol's messages, without `data.`.

absl::Status TypeNotAllowed(std::string_view mimetype);
absl::Status FileTooLarge(int64_t limit, int64_t size);
absl::Status NoSuchUpload(std::string_view upload_id);
absl::Status NoSuchFile(std::string_view file_id);
// The id is known with another value of this field.
absl::Status UploadDiffers(std::string_view field);
// What an upload that has ended without a file answers.
absl::Status UploadEnded(const UploadRecord& upload);
absl::Status OverQuota(std::string_view reason, int64_t limit);
absl::Status UploadsRateLimited(const limits::RateDecision& decision, int64_t reset_ms);
absl::Status ChecksumMismatch(std::string_view field);
absl::Status Unavailable(std::string_view reason, std::string_view why);

}  // namespace covet::files
