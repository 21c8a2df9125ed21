#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "covet/config/v1/config.pb.h"

// How durations, sizes, rates and times are written in the configuration. Errors say what is wrong
// and what is expected, without the key.
namespace covet::config {

// `250ms`, `5s`, `1m30s`, `24h`; `0`.
absl::StatusOr<google::protobuf::Duration> ParseDuration(const std::string& text);
// The largest unit that is exact: `90s`, `24h`.
std::string FormatDuration(const google::protobuf::Duration& duration);

// Bytes: `1048576`, `64KiB`, `1MiB`, `2GiB`; also KB, MB, GB as powers of 1000.
absl::StatusOr<int64_t> ParseSize(const std::string& text);
std::string FormatSize(int64_t bytes);

// `100/min`, `10/h`, `5/s`, `3/250ms`.
absl::StatusOr<v1::Rate> ParseRate(const std::string& text);
std::string FormatRate(const v1::Rate& rate);

// RFC 3339.
absl::StatusOr<google::protobuf::Timestamp> ParseTimestamp(const std::string& text);
std::string FormatTimestamp(const google::protobuf::Timestamp& timestamp);

// Nanoseconds; a Duration of the configuration lies well within them.
int64_t Nanos(const google::protobuf::Duration& duration);

}  // namespace covet::config
