#include "services/streams/domain/filter.h"

#include <algorithm>
#include <set>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/errors/refusals.h"
#include "common/payload/decimal.h"
#include "common/payload/json_string.h"
#include "services/streams/domain/names.h"

namespace covet::streams {
namespace {

using payload::JsonKind;

constexpr size_t kMaxFieldName = 128;
constexpr int kArrayDepth = 1;

bool IsScalar(JsonKind kind) { return kind != JsonKind::kObject && kind != JsonKind::kArray; }

std::string_view Trimmed(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  const size_t begin = text.find_first_not_of(kSpace);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

std::string_view Unquoted(std::string_view string) { return string.substr(1, string.size() - 2); }

// The end of the element that begins at `at` of a valid array: its comma or bracket.
size_t ElementEnd(std::string_view array, size_t at) {
  bool in_string = false;
  int depth = 0;
  for (;; ++at) {
    const char c = array[at];
    if (in_string) {
      if (c == '\\') ++at;
      if (c == '"') in_string = false;
      continue;
    }
    if (c == '"') in_string = true;
    if (depth == 0 && (c == ',' || c == ']')) return at;
    if (c == '[' || c == '{') ++depth;
    if (c == ']' || c == '}') --depth;
  }
}

// Calls `visit` with each element of a valid array until it answers false.
template <typename Visit>
void ForEachElement(std::string_view array, Visit visit) {
  size_t at = 1;
  while (at < array.size()) {
    const size_t end = ElementEnd(array, at);
    const std::string_view element = Trimmed(array.substr(at, end - at));
    if (element.empty() || !visit(element)) return;  // Only [] has an empty one.
    at = end + 1;
  }
}

std::string_view TypeName(v1::Comparison comparison) {
  return comparison == v1::COMPARISON_IN ? "an array of numbers, strings, true, false and null"
                                         : "a number, a string, true, false or null";
}

bool IsOrdering(v1::Comparison comparison) {
  return comparison == v1::COMPARISON_GT || comparison == v1::COMPARISON_GTE ||
         comparison == v1::COMPARISON_LT || comparison == v1::COMPARISON_LTE;
}

absl::Status CheckBounds(const v1::Filter& filter) {
  size_t terms =
      static_cast<size_t>(filter.tags_size()) + static_cast<size_t>(filter.fields_size());
  if (filter.min_severity() != v1::SEVERITY_UNSPECIFIED) ++terms;
  if (terms > kMaxFilterTerms) {
    return InvalidField("filter", absl::StrCat("at most ", kMaxFilterTerms, " terms"),
                        absl::StrCat(terms, " terms"));
  }
  size_t bytes = 0;
  for (const std::string& tag : filter.tags()) bytes += tag.size();
  for (const v1::FieldCondition& field : filter.fields()) {
    bytes += field.field().size() + field.value().size();
  }
  if (bytes > kMaxFilterBytes) {
    return InvalidField("filter", absl::StrCat("at most ", kMaxFilterBytes, " bytes"),
                        absl::StrCat(bytes, " bytes"));
  }
  return absl::OkStatus();
}

}  // namespace

std::string CanonicalFilter(const v1::Filter& filter) {
  const std::set<std::string> tags(filter.tags().begin(), filter.tags().end());
  std::set<std::tuple<std::string, int, std::string>> fields;
  for (const v1::FieldCondition& field : filter.fields()) {
    fields.emplace(field.field(), field.comparison(), Trimmed(field.value()));
  }
  v1::Filter sorted;
  sorted.set_min_severity(filter.min_severity());
  for (const std::string& tag : tags) sorted.add_tags(tag);
  for (const auto& [name, comparison, value] : fields) {
    v1::FieldCondition& field = *sorted.add_fields();
    field.set_field(name);
    field.set_comparison(static_cast<v1::Comparison>(comparison));
    field.set_value(value);
  }
  return sorted.SerializeAsString();  // No maps, no unknown fields: one form.
}

absl::StatusOr<CompiledFilter> CompiledFilter::Compile(const v1::Filter& filter) {
  if (absl::Status status = CheckBounds(filter); !status.ok()) return status;
  CompiledFilter compiled;
  if (filter.min_severity() != v1::SEVERITY_UNSPECIFIED &&
      SeverityName(filter.min_severity()).empty()) {
    return InvalidField("filter.min_severity", "a severity", absl::StrCat(filter.min_severity()));
  }
  compiled.min_severity_ = filter.min_severity();
  for (const std::string& tag : filter.tags()) {
    if (tag.empty()) return InvalidField("filter.tags", "tags that are not empty", "\"\"");
    compiled.tags_.push_back(tag);
  }
  for (const v1::FieldCondition& field : filter.fields()) {
    absl::StatusOr<Term> term = CompileTerm(field);
    if (!term.ok()) return term.status();
    compiled.terms_.push_back(*std::move(term));
  }
  return compiled;
}

absl::StatusOr<CompiledFilter::Term> CompiledFilter::CompileTerm(
    const v1::FieldCondition& condition) {
  if (condition.field().empty() || condition.field().size() > kMaxFieldName) {
    return InvalidField("filter.fields.field", "1 to 128 bytes",
                        absl::StrCat(condition.field().size(), " bytes"));
  }
  const v1::Comparison comparison = condition.comparison();
  if (comparison == v1::COMPARISON_UNSPECIFIED || !v1::Comparison_IsValid(comparison)) {
    return InvalidField("filter.fields.comparison", "a comparison", absl::StrCat(comparison));
  }
  const auto bad_value = [&](std::string_view expected) {
    return InvalidField(absl::StrCat("filter.fields.", condition.field()), expected,
                        condition.value());
  };
  const payload::JsonScanResult scan = payload::ScanJson(condition.value(), kArrayDepth);
  if (!scan.ok()) return bad_value(TypeName(comparison));
  const std::string_view value = Trimmed(condition.value());

  Term term{condition.field(), comparison, {}};
  if (comparison == v1::COMPARISON_IN) {
    if (scan.kind != JsonKind::kArray) return bad_value(TypeName(comparison));
    // Deeper values did not pass the scan, but empty ones do.
    bool scalars = true;
    ForEachElement(value, [&](std::string_view element) {
      scalars = IsScalar(payload::JsonKindOf(element.front()));
      if (scalars) term.operands.push_back(ToOperand(element));
      return scalars;
    });
    if (!scalars) return bad_value(TypeName(comparison));
    return term;
  }
  if (!IsScalar(scan.kind)) return bad_value(TypeName(comparison));
  if (IsOrdering(comparison) && scan.kind != JsonKind::kNumber && scan.kind != JsonKind::kString) {
    return bad_value("a number or a string");
  }
  term.operands.push_back(ToOperand(value));
  return term;
}

CompiledFilter::Operand CompiledFilter::ToOperand(std::string_view value) {
  Operand operand{payload::JsonKindOf(value.front()), {}};
  if (operand.kind == JsonKind::kString) {
    payload::AppendUnescaped(&operand.text, Unquoted(value));
  } else {
    operand.text = value;
  }
  return operand;
}

bool CompiledFilter::Passes(std::string_view json) {
  if (passes_all()) return true;
  payload::ScanJsonMembers(json, &members_);
  return PassesSeverity() && PassesTags() &&
         std::all_of(terms_.begin(), terms_.end(),
                     [this](const Term& term) { return Holds(term); });
}

std::optional<std::string_view> CompiledFilter::Find(std::string_view name) {
  for (auto member = members_.rbegin(); member != members_.rend(); ++member) {
    if (payload::UnescapedView(member->name, &scratch_) == name) return member->value;
  }
  return std::nullopt;
}

bool CompiledFilter::PassesSeverity() {
  if (min_severity_ == 0) return true;
  const std::optional<std::string_view> value = Find("severity");
  if (!value || payload::JsonKindOf(value->front()) != JsonKind::kString) return true;
  const std::optional<v1::Severity> severity =
      ParseSeverity(payload::UnescapedView(Unquoted(*value), &scratch_));
  return !severity || *severity >= min_severity_;
}

bool CompiledFilter::PassesTags() {
  if (tags_.empty()) return true;
  const std::optional<std::string_view> value = Find("tags");
  if (!value || payload::JsonKindOf(value->front()) != JsonKind::kArray) return true;
  bool found = false;
  ForEachElement(*value, [&](std::string_view element) {
    if (payload::JsonKindOf(element.front()) == JsonKind::kString) {
      const std::string_view tag = payload::UnescapedView(Unquoted(element), &scratch_);
      found = std::find(tags_.begin(), tags_.end(), tag) != tags_.end();
    }
    return !found;
  });
  return found;
}

bool CompiledFilter::Holds(const Term& term) {
  const std::optional<std::string_view> value = Find(term.field);
  if (!value) return false;
  if (term.comparison == v1::COMPARISON_IN) {
    return std::any_of(term.operands.begin(), term.operands.end(),
                       [&](const Operand& operand) { return Equals(*value, operand); });
  }
  const Operand& operand = term.operands.front();
  if (term.comparison == v1::COMPARISON_EQ) return Equals(*value, operand);
  if (term.comparison == v1::COMPARISON_NE) return !Equals(*value, operand);
  const std::optional<int> order = Order(*value, operand);
  if (!order) return false;
  switch (term.comparison) {
    case v1::COMPARISON_GT:
      return *order > 0;
    case v1::COMPARISON_GTE:
      return *order >= 0;
    case v1::COMPARISON_LT:
      return *order < 0;
    default:
      return *order <= 0;
  }
}

bool CompiledFilter::Equals(std::string_view value, const Operand& operand) {
  const JsonKind kind = payload::JsonKindOf(value.front());
  if (kind != operand.kind) return false;
  if (kind == JsonKind::kBoolean) return value == operand.text;
  if (kind == JsonKind::kNull) return true;
  return Order(value, operand) == 0;
}

std::optional<int> CompiledFilter::Order(std::string_view value, const Operand& operand) {
  const JsonKind kind = payload::JsonKindOf(value.front());
  if (kind != operand.kind) return std::nullopt;
  if (kind == JsonKind::kNumber) return payload::CompareNumbers(value, operand.text);
  return payload::UnescapedView(Unquoted(value), &scratch_).compare(operand.text);
}

}  // namespace covet::streams
