#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "absl/status/statusor.h"
#include "covet/streams/v1/streams.pb.h"
#include "services/streams/domain/record_buffer.h"

namespace covet::streams {

// The records of a publish by `user_id` at `now_ms`, scanned and completed. INVALID_ARGUMENT or
// MESSAGE_TOO_LARGE names the first that is none. Thread-safe.
absl::StatusOr<std::shared_ptr<RecordBuffer>> ToRecords(const v1::PublishRequest& request,
                                                        std::string_view user_id, int64_t now_ms);

}  // namespace covet::streams
