#include "services/streams/domain/names.h"

#include <algorithm>
#include <iterator>

namespace covet::streams {
namespace {

// By the values of the enums, from 1.
constexpr std::string_view kSeverities[] = {"debug",   "info",  "notice",
                                            "warning", "error", "critical"};
constexpr std::string_view kStreamTypes[] = {"metrics", "logs", "events", "database_changes"};

template <typename Enum, size_t N>
std::string_view NameOf(const std::string_view (&names)[N], Enum value) {
  const auto index = static_cast<int>(value) - 1;
  return index >= 0 && index < static_cast<int>(N) ? names[index] : std::string_view();
}

template <typename Enum, size_t N>
std::optional<Enum> Find(const std::string_view (&names)[N], std::string_view name) {
  const auto* const found = std::find(std::begin(names), std::end(names), name);
  if (found == std::end(names)) return std::nullopt;
  return static_cast<Enum>(found - std::begin(names) + 1);
}

}  // namespace

std::string_view SeverityName(v1::Severity severity) { return NameOf(kSeverities, severity); }

std::optional<v1::Severity> ParseSeverity(std::string_view name) {
  return Find<v1::Severity>(kSeverities, name);
}

std::string_view StreamTypeName(v1::StreamType type) { return NameOf(kStreamTypes, type); }

std::optional<v1::StreamType> ParseStreamType(std::string_view name) {
  return Find<v1::StreamType>(kStreamTypes, name);
}

}  // namespace covet::streams
