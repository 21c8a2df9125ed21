#include "edge/streams/stream_source.h"

#include <algorithm>
#include <array>
#include <tuple>
#include <vector>

#include "common/errors/refusals.h"

namespace covet::edge {
namespace {

constexpr std::array<std::string_view, 4> kTypeNames = {"metrics", "logs", "events",
                                                        "database_changes"};

std::string WithoutWhitespace(std::string_view json) {
  std::string out;
  out.reserve(json.size());
  bool quoted = false;
  for (size_t i = 0; i < json.size(); ++i) {
    const char c = json[i];
    if (quoted) {
      out.push_back(c);
      if (c == '\\' && i + 1 < json.size()) {
        out.push_back(json[++i]);
      } else if (c == '"') {
        quoted = false;
      }
    } else if (c != ' ' && c != '\t' && c != '\n' && c != '\r') {
      quoted = c == '"';
      out.push_back(c);
    }
  }
  return out;
}

}  // namespace

std::string_view StreamTypeName(streams::v1::StreamType type) {
  const auto index = static_cast<size_t>(type) - 1;
  return index < kTypeNames.size() ? kTypeNames[index] : std::string_view();
}

std::string ResourceNameOf(const StreamSource& source) {
  return std::string(StreamTypeName(source.request.stream_type()))
      .append(":")
      .append(source.request.resource_id());
}

absl::Status MayNotRead(const StreamSource& source) {
  return PermissionDenied("stream:read", ResourceNameOf(source));
}

streams::v1::Filter CanonicalFilter(const StreamFilters& filters) {
  streams::v1::Filter out;
  if (filters.min_severity) {
    out.set_min_severity(
        static_cast<streams::v1::Severity>(static_cast<int>(*filters.min_severity) + 1));
  }
  std::vector<std::string_view> tags = filters.tags;
  std::sort(tags.begin(), tags.end());
  tags.erase(std::unique(tags.begin(), tags.end()), tags.end());
  for (const std::string_view tag : tags) out.add_tags(std::string(tag));

  std::vector<std::tuple<std::string_view, FilterOp, std::string>> terms;
  for (const FilterTerm& term : filters.fields) {
    terms.emplace_back(term.field, term.op, WithoutWhitespace(term.operand));
  }
  std::sort(terms.begin(), terms.end());
  terms.erase(std::unique(terms.begin(), terms.end()), terms.end());
  for (auto& [field, op, operand] : terms) {
    streams::v1::FieldCondition& condition = *out.add_fields();
    condition.set_field(std::string(field));
    condition.set_comparison(static_cast<streams::v1::Comparison>(static_cast<int>(op) + 1));
    condition.set_value(std::move(operand));
  }
  return out;
}

SubscribeParams ParamsOf(const SubscribeMessage& message) {
  SubscribeParams params;
  const auto* const name = std::find(kTypeNames.begin(), kTypeNames.end(), message.stream_type);
  params.stream_type = static_cast<streams::v1::StreamType>(name - kTypeNames.begin() + 1);
  params.resource_id = std::string(message.resource_id);
  params.filter = CanonicalFilter(message.filters);
  params.batch_interval_ms = RoundUpInterval(message.batch_interval_ms);
  params.buffer_size = message.buffer_size;
  params.conflate = message.conflate;
  params.has_resume = message.resume.has_value();
  if (message.resume) {
    params.resume_epoch = std::string(message.resume->epoch);
    params.resume_offset = message.resume->offset;
  }
  params.history = message.history;
  return params;
}

std::string IdentityOf(common::v1::Identity user) {
  user.clear_session_id();
  user.clear_expires_at();
  return user.SerializeAsString();
}

StreamSource SourceOf(const SubscribeParams& params, const common::v1::Identity* user) {
  StreamSource source;
  source.request.set_stream_type(params.stream_type);
  source.request.set_resource_id(params.resource_id);
  if (params.filter.ByteSizeLong() > 0) *source.request.mutable_filter() = params.filter;
  // No field is a map, so equal messages have equal bytes.
  source.request.SerializeToString(&source.key);
  source.request.set_payload_format(common::v1::PAYLOAD_FORMAT_JSON);
  if (user == nullptr) return source;
  source.identity = IdentityOf(*user);
  source.key.append("/").append(source.identity);
  return source;
}

int32_t RoundUpInterval(int32_t interval_ms) {
  constexpr std::array<int32_t, 9> kIntervals = {0, 50, 100, 200, 500, 1000, 2000, 5000, 10'000};
  const auto* const it = std::lower_bound(kIntervals.begin(), kIntervals.end(), interval_ms);
  return it == kIntervals.end() ? kIntervals.back() : *it;
}

}  // namespace covet::edge
