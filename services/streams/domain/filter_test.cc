#include "services/streams/domain/filter.h"

#include "common/errors/error.h"
#include "gtest/gtest.h"

namespace covet::streams {
namespace {

struct Condition {
  std::string field;
  v1::Comparison comparison;
  std::string value;
};

v1::Filter Fields(const std::vector<Condition>& conditions) {
  v1::Filter filter;
  for (const Condition& condition : conditions) {
    v1::FieldCondition& field = *filter.add_fields();
    field.set_field(condition.field);
    field.set_comparison(condition.comparison);
    field.set_value(condition.value);
  }
  return filter;
}

v1::Filter Tags(const std::vector<std::string>& tags) {
  v1::Filter filter;
  for (const std::string& tag : tags) filter.add_tags(tag);
  return filter;
}

bool Passes(const v1::Filter& filter, std::string_view record) {
  absl::StatusOr<CompiledFilter> compiled = CompiledFilter::Compile(filter);
  EXPECT_TRUE(compiled.ok()) << compiled.status();
  return compiled.ok() && compiled->Passes(record);
}

bool Holds(std::string_view record_value, v1::Comparison comparison, const std::string& value) {
  return Passes(Fields({{"v", comparison, value}}),
                std::string("{\"v\":") + std::string(record_value) + "}");
}

TEST(FilterTest, AnEmptyOnePassesEverything) {
  EXPECT_TRUE(CompiledFilter::Compile({})->passes_all());
  EXPECT_TRUE(Passes({}, "{}"));
}

TEST(FilterTest, SeverityTestsOnlyRecordsThatCarryOne) {
  v1::Filter filter;
  filter.set_min_severity(v1::SEVERITY_WARNING);
  EXPECT_TRUE(Passes(filter, R"({"severity":"warning"})"));
  EXPECT_TRUE(Passes(filter, R"({"severity":"critical"})"));
  EXPECT_TRUE(Passes(filter, R"({"severity":"\u0065rror"})"));
  EXPECT_FALSE(Passes(filter, R"({"severity":"notice"})"));
  EXPECT_FALSE(Passes(filter, R"({"severity":"critical","severity":"debug"})"));
  EXPECT_TRUE(Passes(filter, R"({"cpu_usage":1})"));
  EXPECT_TRUE(Passes(filter, R"({"severity":"odd"})"));
  EXPECT_TRUE(Passes(filter, R"({"severity":3})"));
  EXPECT_TRUE(Passes(filter, R"({"in":{"severity":"debug"}})"));
}

TEST(FilterTest, TagsTestOnlyRecordsThatCarrySome) {
  const v1::Filter filter = Tags({"performance", "a,\"b]"});
  EXPECT_TRUE(Passes(filter, R"({"tags":["x" , "performance"]})"));
  EXPECT_TRUE(Passes(filter, R"({"tags":["a,\"b]"]})"));
  EXPECT_FALSE(Passes(filter, R"({"tags":["x",["performance"],{"a":"performance"},1]})"));
  EXPECT_FALSE(Passes(filter, R"({"tags":[]})"));
  EXPECT_FALSE(Passes(filter, R"({"tags":[ ]})"));
  EXPECT_TRUE(Passes(filter, R"({"tags":"performance"})"));
  EXPECT_TRUE(Passes(filter, R"({})"));
}

TEST(FilterTest, NumbersCompareByTheirDigits) {
  EXPECT_TRUE(Holds("80", v1::COMPARISON_EQ, "8.00e1"));
  EXPECT_TRUE(Holds("9007199254740993", v1::COMPARISON_GT, "9007199254740992"));
  EXPECT_FALSE(Holds("9007199254740993", v1::COMPARISON_EQ, "9007199254740992"));
  EXPECT_TRUE(Holds("0.1", v1::COMPARISON_LT, "0.10000000000000000001"));
  EXPECT_TRUE(Holds("1e400", v1::COMPARISON_GTE, "1e400"));
  EXPECT_TRUE(Holds("-1", v1::COMPARISON_LTE, "0"));
  EXPECT_FALSE(Holds("-1", v1::COMPARISON_LTE, "-2"));
  EXPECT_TRUE(Holds("3", v1::COMPARISON_IN, "[1, 3.0 ,\"x\"]"));
  EXPECT_FALSE(Holds("4", v1::COMPARISON_IN, "[1,3]"));
  EXPECT_FALSE(Holds("4", v1::COMPARISON_IN, "[]"));
}

TEST(FilterTest, StringsCompareByCodePoint) {
  EXPECT_TRUE(Holds(R"("a\u00e9")", v1::COMPARISON_EQ, "\"aé\""));
  EXPECT_TRUE(Holds("\"b\"", v1::COMPARISON_GT, "\"a\""));
  EXPECT_TRUE(Holds("\"é\"", v1::COMPARISON_GT, "\"z\""));
  EXPECT_TRUE(Holds("\"\"", v1::COMPARISON_LT, "\"a\""));
  EXPECT_TRUE(Holds("\"a]b\"", v1::COMPARISON_IN, R"(["x,", "a]b"])"));
}

TEST(FilterTest, DifferentTypesAreNotEqualAndHaveNoOrder) {
  EXPECT_FALSE(Holds("\"80\"", v1::COMPARISON_EQ, "80"));
  EXPECT_TRUE(Holds("\"80\"", v1::COMPARISON_NE, "80"));
  EXPECT_FALSE(Holds("\"90\"", v1::COMPARISON_GTE, "80"));
  EXPECT_FALSE(Holds("null", v1::COMPARISON_LT, "80"));
  EXPECT_TRUE(Holds("null", v1::COMPARISON_EQ, "null"));
  EXPECT_TRUE(Holds("true", v1::COMPARISON_EQ, " true "));
  EXPECT_FALSE(Holds("false", v1::COMPARISON_EQ, "true"));
  EXPECT_TRUE(Holds("[1]", v1::COMPARISON_NE, "1"));
  EXPECT_FALSE(Holds("{}", v1::COMPARISON_EQ, "1"));
}

TEST(FilterTest, ComparisonsNeedTheMemberAndAllOfThemHold) {
  const v1::Filter filter = Fields({{"cpu_usage", v1::COMPARISON_GTE, "80"},
                                    {"cpu_usage", v1::COMPARISON_LT, "90"},
                                    {"host", v1::COMPARISON_NE, "\"a\""}});
  EXPECT_TRUE(Passes(filter, R"({"cpu_usage":80.5,"host":"b"})"));
  EXPECT_FALSE(Passes(filter, R"({"cpu_usage":90,"host":"b"})"));
  EXPECT_FALSE(Passes(filter, R"({"cpu_usage":80.5})"));
  EXPECT_TRUE(Passes(filter, R"({"cpu_\u0075sage":1,"cpu_usage":85,"host":null})"));
}

TEST(FilterTest, RefusesWhatIsNoFilter) {
  const std::vector<v1::Filter> bad = {
      Fields({{"", v1::COMPARISON_EQ, "1"}}),
      Fields({{std::string(129, 'f'), v1::COMPARISON_EQ, "1"}}),
      Fields({{"f", v1::COMPARISON_UNSPECIFIED, "1"}}),
      Fields({{"f", static_cast<v1::Comparison>(99), "1"}}),
      Fields({{"f", v1::COMPARISON_EQ, ""}}),
      Fields({{"f", v1::COMPARISON_EQ, "{}"}}),
      Fields({{"f", v1::COMPARISON_EQ, "[1]"}}),
      Fields({{"f", v1::COMPARISON_EQ, "01"}}),
      Fields({{"f", v1::COMPARISON_GT, "true"}}),
      Fields({{"f", v1::COMPARISON_LTE, "null"}}),
      Fields({{"f", v1::COMPARISON_IN, "1"}}),
      Fields({{"f", v1::COMPARISON_IN, "[[]]"}}),
      Fields({{"f", v1::COMPARISON_IN, "[{}]"}}),
      Tags({""}),
      Tags(std::vector<std::string>(33, "t")),
      Tags({std::string(4097, 't')}),
  };
  for (const v1::Filter& filter : bad) {
    const auto compiled = CompiledFilter::Compile(filter);
    ASSERT_FALSE(compiled.ok()) << filter.ShortDebugString();
    EXPECT_EQ(CodeOf(compiled.status()), ErrorCode::kInvalidArgument);
    EXPECT_FALSE(DetailsOf(compiled.status())["field"].empty());
  }
  v1::Filter severity;
  severity.set_min_severity(static_cast<v1::Severity>(7));
  EXPECT_FALSE(CompiledFilter::Compile(severity).ok());
  EXPECT_TRUE(CompiledFilter::Compile(Tags(std::vector<std::string>(32, "t"))).ok());
}

TEST(FilterTest, TheCanonicalFormForgetsTheOrder) {
  v1::Filter one = Fields({{"b", v1::COMPARISON_EQ, "1"}, {"a", v1::COMPARISON_GT, " 2"}});
  one.add_tags("y");
  one.add_tags("x");
  v1::Filter two = Fields({{"a", v1::COMPARISON_GT, "2"}, {"b", v1::COMPARISON_EQ, "1"}});
  two.add_tags("x");
  two.add_tags("y");
  two.add_tags("x");
  EXPECT_EQ(CanonicalFilter(one), CanonicalFilter(two));
  two.set_min_severity(v1::SEVERITY_ERROR);
  EXPECT_NE(CanonicalFilter(one), CanonicalFilter(two));
}

}  // namespace
}  // namespace covet::streams
