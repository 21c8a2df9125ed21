#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "common/payload/json_scanner.h"
#include "covet/streams/v1/streams.pb.h"

namespace covet::streams {

inline constexpr size_t kMaxFilterTerms = 32;
inline constexpr size_t kMaxFilterBytes = 4096;

// The same text for filters that say the same in another order: tags and fields are sets.
std::string CanonicalFilter(const v1::Filter& filter);

// A filter, ready to be asked. Numbers compare by their digits, strings by code point. Where a
// record repeats a member the last one counts. Not thread-safe: it keeps scratch space.
class CompiledFilter {
 public:
  // Passes everything.
  CompiledFilter() = default;

  // INVALID_ARGUMENT names the field, for more than kMaxFilterTerms terms (each tag, each
  // comparison and the severity is one) or kMaxFilterBytes, for values that are not what
  // FieldCondition says, and for orderings of what has no order.
  static absl::StatusOr<CompiledFilter> Compile(const v1::Filter& filter);

  bool passes_all() const { return min_severity_ == 0 && tags_.empty() && terms_.empty(); }
  // `json` is a valid JSON object.
  bool Passes(std::string_view json);

 private:
  struct Operand {
    payload::JsonKind kind = payload::JsonKind::kNull;
    std::string text;  // Strings without quotes and escapes; others as they are written.
  };
  struct Term {
    std::string field;
    v1::Comparison comparison = v1::COMPARISON_EQ;
    std::vector<Operand> operands;  // One, but for IN.
  };

  static absl::StatusOr<Term> CompileTerm(const v1::FieldCondition& condition);
  static Operand ToOperand(std::string_view value);
  // Nothing where the record lacks it.
  std::optional<std::string_view> Find(std::string_view name);
  bool PassesSeverity();
  bool PassesTags();
  bool Holds(const Term& term);
  bool Equals(std::string_view value, const Operand& operand);
  std::optional<int> Order(std::string_view value, const Operand& operand);

  int min_severity_ = 0;
  std::vector<std::string> tags_;
  std::vector<Term> terms_;
  std::vector<payload::JsonMember> members_;
  std::string scratch_;
};

}  // namespace covet::streams
