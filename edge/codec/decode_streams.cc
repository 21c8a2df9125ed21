// Bodies of stream subscriptions.
#include <algorithm>
#include <iterator>

#include "common/payload/json_writer.h"
#include "edge/codec/field_reader.h"

namespace covet::edge::codec {
namespace {

using payload::JsonKind;

constexpr std::string_view kFilterPath = "data.filters";
constexpr size_t kMaxFilterBytes = 4096;
constexpr size_t kMaxFieldName = 128;

bool BadFilter(FieldReader& in, std::string_view path, std::string_view expected,
               std::string_view received) {
  return in.Fail(ErrorCode::kSubscriptionFailed, path, expected, received);
}

bool IsScalar(JsonKind kind) { return kind != JsonKind::kObject && kind != JsonKind::kArray; }

bool ReadOperand(FieldReader& in, ondemand::value& value, const std::string& path,
                 FilterTerm* term) {
  const Token token(value);
  const JsonKind kind = token.kind();
  if (term->op == FilterOp::kIn) {
    ondemand::array array;
    if (!in.Array(value, path, &array)) return false;
    for (auto result : array) {
      if (result.error() != simdjson::SUCCESS) return in.Broken();
      ondemand::value element = result.value_unsafe();
      const Token scalar(element);
      if (!IsScalar(scalar.kind())) return in.WrongType(path, "array of scalars", scalar);
    }
    std::string_view raw;
    if (array.reset().error() != simdjson::SUCCESS ||
        array.raw_json().get(raw) != simdjson::SUCCESS) {
      return in.Broken();
    }
    term->operand = Token(raw).text;
    return true;
  }
  const bool ordering = term->op != FilterOp::kEq && term->op != FilterOp::kNe;
  if (ordering && kind != JsonKind::kNumber && kind != JsonKind::kString) {
    return in.WrongType(path, "number or string", token);
  }
  if (!IsScalar(kind)) return in.WrongType(path, "scalar", token);
  term->operand = token.text;
  return true;
}

bool ReadTags(FieldReader& in, ondemand::value& value, std::vector<std::string_view>* out) {
  constexpr std::string_view kPath = "data.filters.tags";
  ondemand::array array;
  if (!in.Array(value, kPath, &array)) return false;
  for (auto result : array) {
    if (result.error() != simdjson::SUCCESS) return in.Broken();
    ondemand::value element = result.value_unsafe();
    if (!in.String(element, kPath, 1, 128, &out->emplace_back())) {
      in.error().field += "[" + std::to_string(out->size() - 1) + "]";
      return false;
    }
  }
  return true;
}

// {"cpu_usage": {"gte": 80}}
bool ReadComparisons(FieldReader& in, ondemand::value& value, StreamFilters* out) {
  constexpr std::string_view kOps[] = {"eq", "ne", "gt", "gte", "lt", "lte", "in"};
  constexpr std::string_view kPath = "data.filters.fields";
  ondemand::object fields;
  if (!in.Object(value, kPath, &fields)) return false;
  for (auto result : fields) {
    ondemand::field field;
    if (std::move(result).get(field) != simdjson::SUCCESS) return in.Broken();
    FilterTerm term;
    if (!in.FieldName(field, kPath, &term.field)) return false;
    if (term.field.empty() || term.field.size() > kMaxFieldName) {
      return BadFilter(in, kPath, "names of 1 to " + std::to_string(kMaxFieldName) + " bytes",
                       std::to_string(term.field.size()) + " bytes");
    }
    const std::string path = JoinPath(kPath, term.field);
    ondemand::object comparisons;
    if (!in.Object(field.value(), path, &comparisons)) return false;
    for (auto inner : comparisons) {
      ondemand::field comparison;
      std::string_view op;
      if (std::move(inner).get(comparison) != simdjson::SUCCESS) return in.Broken();
      if (!in.FieldName(comparison, path, &op)) return false;
      const auto* const known = std::find(std::begin(kOps), std::end(kOps), op);
      if (known == std::end(kOps)) {
        std::string quoted;
        payload::AppendQuoted(&quoted, op);
        return in.WrongValue(path, "eq, ne, gt, gte, lt, lte or in", Token(quoted),
                             ErrorCode::kSubscriptionFailed);
      }
      const std::string op_path = JoinPath(path, op);
      term.op = static_cast<FilterOp>(known - kOps);
      if (!ReadOperand(in, comparison.value(), op_path, &term)) return false;
      out->fields.push_back(term);
    }
  }
  return true;
}

bool ReadFilters(FieldReader& in, ondemand::value& value, StreamFilters* out) {
  constexpr FieldSpec kFields[] = {
      {"min_severity", "string"}, {"tags", "array"}, {"fields", "object"}};
  constexpr std::string_view kSeverities[] = {"debug",   "info",  "notice",
                                              "warning", "error", "critical"};
  ondemand::object object;
  if (!in.Object(value, kFilterPath, &object)) return false;
  std::string_view raw;
  if (object.raw_json().get(raw) != simdjson::SUCCESS ||
      object.reset().error() != simdjson::SUCCESS) {
    return in.Broken();
  }
  if (raw.size() > kMaxFilterBytes) {
    return BadFilter(in, kFilterPath, "at most " + std::to_string(kMaxFilterBytes) + " bytes",
                     std::to_string(raw.size()) + " bytes");
  }
  const bool ok =
      in.Each(object, kFilterPath, kFields, 0, [&](size_t field, ondemand::value& value) {
        switch (field) {
          case 0: {
            size_t severity = 0;
            if (!in.OneOf(value, "data.filters.min_severity", kSeverities,
                          "debug, info, notice, warning, error or critical",
                          ErrorCode::kSubscriptionFailed, &severity)) {
              return false;
            }
            out->min_severity = static_cast<Severity>(severity);
            return true;
          }
          case 1:
            return ReadTags(in, value, &out->tags);
          default:
            return ReadComparisons(in, value, out);
        }
      });
  if (!ok) return false;
  const size_t terms = out->tags.size() + out->fields.size() + (out->min_severity ? 1 : 0);
  if (terms <= kMaxFilterTerms) return true;
  return BadFilter(in, kFilterPath, "at most " + std::to_string(kMaxFilterTerms) + " terms",
                   std::to_string(terms) + " terms");
}

bool ReadOptions(FieldReader& in, ondemand::value& value, SubscribeMessage* out) {
  constexpr FieldSpec kFields[] = {{"batch_interval", "integer"},
                                   {"buffer_size", "integer"},
                                   {"conflate", "boolean"},
                                   {"resume", "object"},
                                   {"history", "integer"}};
  ondemand::object object;
  if (!in.Object(value, "data.options", &object)) return false;
  return in.Each(object, "data.options", kFields, 0, [&](size_t field, ondemand::value& value) {
    switch (field) {
      case 0:
        return in.Integer32(value, "data.options.batch_interval", 0, 10'000,
                            &out->batch_interval_ms);
      case 1:
        return in.Integer32(value, "data.options.buffer_size", 1, 10'000, &out->buffer_size);
      case 2:
        return in.Bool(value, "data.options.conflate", &out->conflate);
      case 3:
        return ReadResume(in, value, &out->resume);
      default:
        return in.Integer32(value, "data.options.history", 0, kMaxHistory, &out->history);
    }
  });
}

}  // namespace

bool DecodeBody(FieldReader& in, ondemand::object data, SubscribeMessage* out) {
  constexpr FieldSpec kFields[] = {{"stream_type", "string"},
                                   {"resource_id", "string"},
                                   {"filters", "object"},
                                   {"options", "object"}};
  constexpr std::string_view kStreamTypes[] = {"metrics", "logs", "events", "database_changes"};
  return in.Each(data, "data", kFields, 2, [&](size_t field, ondemand::value& value) {
    switch (field) {
      case 0: {
        size_t type = 0;
        if (!in.OneOf(value, "data.stream_type", kStreamTypes,
                      "metrics, logs, events or database_changes", ErrorCode::kInvalidMessageFormat,
                      &type)) {
          return false;
        }
        out->stream_type = kStreamTypes[type];
        return true;
      }
      case 1:
        return in.Name(value, "data.resource_id", &out->resource_id);
      case 2:
        return ReadFilters(in, value, &out->filters);
      default:
        return ReadOptions(in, value, out);
    }
  });
}

}  // namespace covet::edge::codec
