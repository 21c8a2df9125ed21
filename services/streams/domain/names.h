#pragma once

#include <optional>
#include <string_view>

#include "covet/streams/v1/streams.pb.h"

namespace covet::streams {

// `debug` … `critical`, as records and filters spell it; empty for others.
std::string_view SeverityName(v1::Severity severity);
// Nothing for other text.
std::optional<v1::Severity> ParseSeverity(std::string_view name);

// `metrics`, `logs`, `events`, `database_changes`; empty for others.
std::string_view StreamTypeName(v1::StreamType type);
std::optional<v1::StreamType> ParseStreamType(std::string_view name);

}  // namespace covet::streams
