#include "common/eventlog/log_errors.h"

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"

namespace covet::eventlog {
namespace {

constexpr char kDiskFullUrl[] = "covet.eventlog/disk_full";

}  // namespace

absl::Status NoSuchLog(const std::string& log_id) {
  return absl::NotFoundError(absl::StrCat("no log ", log_id));
}

absl::Status CheckFence(const Batch& batch, std::string_view epoch, int64_t last_offset) {
  if (batch.epoch != epoch) {
    return absl::FailedPreconditionError(absl::StrCat("log ", batch.log_id, " has another epoch"));
  }
  if (batch.first_offset != last_offset + 1) {
    return absl::AbortedError(absl::StrCat("log ", batch.log_id, " stands at ", last_offset,
                                           ", not before ", batch.first_offset));
  }
  return absl::OkStatus();
}

absl::Status QueueRefusal(bool closed) {
  if (closed) return absl::UnavailableError("the event log is closing");
  return absl::ResourceExhaustedError("the event log's queue is full");
}

absl::Status DiskFull() {
  absl::Status status = absl::ResourceExhaustedError("the disk is full");
  status.SetPayload(kDiskFullUrl, absl::Cord());
  return status;
}

bool IsDiskFull(const absl::Status& status) { return status.GetPayload(kDiskFullUrl).has_value(); }

}  // namespace covet::eventlog
