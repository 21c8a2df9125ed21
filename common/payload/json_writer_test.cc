#include "common/payload/json_writer.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

#include "common/payload/decimal.h"
#include "common/payload/json_scanner.h"

namespace covet::payload {
namespace {

// clang-tidy 14 does not see its uses.
using std::string_literals::operator""s;  // NOLINT(misc-unused-using-decls)

std::string Quoted(std::string_view text) {
  std::string out;
  AppendQuoted(&out, text);
  return out;
}

std::string Time(int64_t ms) {
  std::string out;
  AppendRfc3339Millis(&out, ms);
  return out;
}

std::string Double(double value) {
  std::string out;
  AppendDouble(&out, value);
  return out;
}

TEST(JsonWriterTest, QuotesAndEscapes) {
  EXPECT_EQ(Quoted(""), R"("")");
  EXPECT_EQ(Quoted("plain"), R"("plain")");
  EXPECT_EQ(Quoted("a\"b\\c/d"), R"("a\"b\\c/d")");
  EXPECT_EQ(Quoted("\n\r\t\b\f\x01\x1f\x7f"), "\"\\n\\r\\t\\u0008\\u000c\\u0001\\u001f\x7f\"");
  EXPECT_EQ(Quoted("\0"s), R"("\u0000")");
  EXPECT_EQ(Quoted("caf\u00e9 \u20ac \U0001F600"), "\"caf\u00e9 \u20ac \U0001F600\"");
  EXPECT_EQ(Quoted("a text of more than sixteen bytes, then \" and more"),
            R"("a text of more than sixteen bytes, then \" and more")");
}

TEST(JsonWriterTest, ReplacesWhatIsNotUtf8) {
  EXPECT_EQ(Quoted("a\xff"
                   "b"),
            "\"a\uFFFDb\"");
  EXPECT_EQ(Quoted("\xed\xa0\x80"), "\"\uFFFD\uFFFD\uFFFD\"");
}

TEST(JsonWriterTest, QuotesAnyBytesIntoValidJson) {
  std::mt19937_64 random(3);
  for (int round = 0; round < 20'000; ++round) {
    std::string text(random() % 40, '\0');
    for (char& c : text) c = static_cast<char>(random());
    EXPECT_TRUE(ScanJson(Quoted(text)).ok()) << Quoted(text);
  }
}

TEST(JsonWriterTest, PrintsNumbers) {
  std::string out;
  AppendInt(&out, std::numeric_limits<int64_t>::min());
  EXPECT_EQ(out, "-9223372036854775808");
  EXPECT_EQ(Double(0), "0");
  EXPECT_EQ(Double(-0.0), "-0");
  EXPECT_EQ(Double(42), "42");
  EXPECT_EQ(Double(-42), "-42");
  EXPECT_EQ(Double(9007199254740992.0), "9007199254740992");
  EXPECT_EQ(Double(0.1), "0.1");
  EXPECT_EQ(Double(45.2), "45.2");
  EXPECT_EQ(Double(1e100), "1e+100");
  EXPECT_EQ(Double(5e-324), "5e-324");
  EXPECT_EQ(Double(NAN), "null");
  EXPECT_EQ(Double(-INFINITY), "null");
}

TEST(JsonWriterTest, PrintsTimes) {
  EXPECT_EQ(Time(0), "1970-01-01T00:00:00.000Z");
  EXPECT_EQ(Time(1757505600000), "2025-09-10T12:00:00.000Z");
  EXPECT_EQ(Time(1709164799999), "2024-02-28T23:59:59.999Z");
  EXPECT_EQ(Time(1709164800000), "2024-02-29T00:00:00.000Z");
  EXPECT_EQ(Time(-1), "1969-12-31T23:59:59.999Z");
  EXPECT_EQ(Time(std::numeric_limits<int64_t>::max()), "9999-12-31T23:59:59.999Z");
  EXPECT_EQ(Time(std::numeric_limits<int64_t>::min()), "0000-01-01T00:00:00.000Z");
}

TEST(JsonWriterTest, ReadsTimes) {
  EXPECT_EQ(ParseRfc3339Millis("2025-09-10T12:00:00Z"), 1757505600000);
  EXPECT_EQ(ParseRfc3339Millis("2025-09-10t12:00:00.5z"), 1757505600500);
  EXPECT_EQ(ParseRfc3339Millis("2025-09-10T12:00:00.123999Z"), 1757505600123);
  EXPECT_EQ(ParseRfc3339Millis("2025-09-10T14:30:00+02:30"), 1757505600000);
  EXPECT_EQ(ParseRfc3339Millis("2025-09-10T07:00:00-05:00"), 1757505600000);
  EXPECT_EQ(ParseRfc3339Millis("2016-12-31T23:59:60Z"), 1483228800000);
  EXPECT_EQ(ParseRfc3339Millis("0000-01-01T00:00:00Z"), -62167219200000);
  for (const char* text : {"", "2025-09-10", "2025-09-10T12:00:00", "2025-09-10 12:00:00Z",
                           "2025-13-10T12:00:00Z", "2025-00-10T12:00:00Z", "2025-02-29T12:00:00Z",
                           "2025-09-31T12:00:00Z", "2025-09-10T24:00:00Z", "2025-09-10T12:60:00Z",
                           "2025-09-10T12:00:61Z", "2025-09-10T12:00:00.Z", "2025-09-10T12:00:00Zx",
                           "2025-09-10T12:00:00+0200", "2025-09-10T12:00:00+24:00",
                           "+025-09-10T12:00:00Z", "-025-09-10T12:00:00Z", "25-09-10T12:00:00Z"}) {
    EXPECT_EQ(ParseRfc3339Millis(text), std::nullopt) << text;
  }
}

TEST(JsonWriterTest, TimesComeBack) {
  std::mt19937_64 random(11);
  for (int round = 0; round < 20'000; ++round) {
    const int64_t ms = -62'167'219'200'000 + static_cast<int64_t>(random() % 315'569'520'000'000);
    EXPECT_EQ(ParseRfc3339Millis(Time(ms)), ms) << Time(ms);
  }
}

TEST(JsonWriterTest, JoinsMembers) {
  std::string out = "{";
  AppendStringMember(&out, "s", "x{");
  AppendIntMember(&out, "i", -7);
  AppendBoolMember(&out, "b", true);
  AppendTimeMember(&out, "t", 0);
  AppendMemberName(&out, "o");
  out += "{";
  AppendRawMember(&out, "n", "null");
  out += "}}";
  EXPECT_EQ(out, R"({"s":"x{","i":-7,"b":true,"t":"1970-01-01T00:00:00.000Z","o":{"n":null}})");
}

TEST(ExactDoubleTest, KeepsWhatADoubleCarries) {
  EXPECT_EQ(ExactDouble("0"), 0.0);
  EXPECT_EQ(ExactDouble("0.000e5"), 0.0);
  EXPECT_TRUE(std::signbit(*ExactDouble("-0")));
  EXPECT_EQ(ExactDouble("1"), 1.0);
  EXPECT_EQ(ExactDouble("1.0"), 1.0);
  EXPECT_EQ(ExactDouble("100e-2"), 1.0);
  EXPECT_EQ(ExactDouble("0.1"), 0.1);
  EXPECT_EQ(ExactDouble("1E+2"), 100.0);
  EXPECT_EQ(ExactDouble("9007199254740992"), 9007199254740992.0);
  EXPECT_EQ(ExactDouble("100000000000000000000"), 1e20);
  EXPECT_EQ(ExactDouble("1.7976931348623157e308"), std::numeric_limits<double>::max());
  EXPECT_EQ(ExactDouble("5e-324"), 5e-324);
}

TEST(CompareNumbersTest, ComparesByDigits) {
  // Ascending; those in one row are equal.
  const std::vector<std::vector<std::string>> rows = {
      {"-1e999999999999999999999"},
      {"-1e400"},
      {"-9007199254740993"},
      {"-9007199254740992", "-9007199254740992.000"},
      {"-1", "-1.0", "-10e-1"},
      {"-1e-400"},
      {"0", "-0", "0.0", "0e999999999999999999999"},
      {"1e-999999999999999999999"},
      {"1e-400", "0.1E-399"},
      {"0.1", "1e-1", "0.10"},
      {"0.10000000000000000001"},
      {"79.999999999999999999999"},
      {"80", "80.0", "8e1", "8E+1", "0.8e2", "80000e-3"},
      {"80.000000000000000000001"},
      {"9007199254740992"},
      {"9007199254740993"},
      {"123456789012345678901234567890"},
      {"123456789012345678901234567891"},
      {"1e400"},
      {"1.00000001e400"},
      {"1e999999999999999999999"},
  };
  for (size_t i = 0; i < rows.size(); ++i) {
    for (size_t j = 0; j < rows.size(); ++j) {
      for (const std::string& a : rows[i]) {
        for (const std::string& b : rows[j]) {
          const int order = CompareNumbers(a, b);
          EXPECT_EQ((order > 0) - (order < 0), (i > j) - (i < j)) << a << " and " << b;
        }
      }
    }
  }
}

TEST(ExactDoubleTest, RefusesLoss) {
  for (const char* text :
       {"9007199254740993", "-9007199254740993", "18446744073709551615",
        "123456789012345678901234567890", "0.10000000000000001", "3.14159265358979323846", "1e999",
        "-1e999", "1e-999", "1e99999999999999999999", "0.0000000000000000000000001e-400"}) {
    EXPECT_EQ(ExactDouble(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace covet::payload
