#include "common/metrics/conventions.h"

#include <array>

#include "absl/strings/match.h"
#include "absl/strings/str_split.h"

namespace covet::metrics {
namespace {

// Labels whose values have no bound.
constexpr std::array<const char*, 12> kUnboundedLabels = {
    "user",    "user_id",    "room",   "room_id",   "session",  "session_id",
    "address", "request_id", "stream", "stream_id", "resource", "resource_id"};

constexpr std::array<const char*, 12> kNotBaseUnits = {
    "ms",    "us", "ns", "milliseconds", "microseconds", "minutes",
    "hours", "kb", "mb", "kib",          "mib",          "percent"};

bool IsSnakeCase(const std::string& name) {
  if (name.empty() || name.front() < 'a' || name.front() > 'z') return false;
  for (const char c : name) {
    if (c != '_' && (c < 'a' || c > 'z') && (c < '0' || c > '9')) return false;
  }
  return true;
}

}  // namespace

std::vector<std::string> ConventionViolations(const std::vector<MetricInfo>& metrics) {
  std::vector<std::string> violations;
  for (const MetricInfo& metric : metrics) {
    const auto violate = [&](const std::string& what) {
      violations.push_back(metric.name + " " + what);
    };
    if (!IsSnakeCase(metric.name)) violate("is not snake_case");
    if (!absl::StartsWith(metric.name, "covet_") && !absl::StartsWith(metric.name, "process_")) {
      violate("begins with neither covet_ nor process_");
    }
    if (metric.help.empty()) violate("has no help text");
    const bool total = absl::EndsWith(metric.name, "_total");
    if (metric.type == "counter" && !total) violate("is a counter and does not end in _total");
    if (metric.type != "counter" && total) violate("ends in _total and is no counter");
    if (metric.type == "histogram" && !absl::EndsWith(metric.name, "_seconds") &&
        !absl::EndsWith(metric.name, "_bytes")) {
      violate("is a histogram and does not end in _seconds or _bytes");
    }
    for (const std::string& word : std::vector<std::string>(absl::StrSplit(metric.name, '_'))) {
      for (const char* unit : kNotBaseUnits) {
        if (word == unit) violate("is not in a base unit");
      }
    }
    for (const std::string& label : metric.label_names) {
      if (!IsSnakeCase(label)) violate("has the label " + label + ", not snake_case");
      for (const char* unbounded : kUnboundedLabels) {
        if (label == unbounded) violate("has the label " + label + ", whose values have no bound");
      }
    }
  }
  return violations;
}

}  // namespace covet::metrics
