#pragma once

#include <string>
#include <string_view>

#include "common/logging/log.h"

namespace covet::log {

// Appends `text` as a JSON string with its quotes. Bytes that are not UTF-8 become U+FFFD, so a
// line is always valid JSON whatever a peer sent.
void AppendJsonString(std::string_view text, std::string* out);

// Appends `,"key":value` for each field. Doubles that JSON cannot hold become null.
void AppendFields(Fields fields, std::string* out);

// The start of a line: `{"ts":"2025-09-10T12:00:00.123Z","level":"info","event":"…"`.
std::string LineHead(int64_t wall_millis, std::string_view level, std::string_view event);

}  // namespace covet::log
