#include "common/payload/json_scanner.h"

#include <gtest/gtest.h>
#include <simdjson.h>

#include <random>
#include <string>
#include <vector>

namespace covet::payload {
namespace {

// clang-tidy 14 does not see its uses.
using std::string_literals::operator""s;  // NOLINT(misc-unused-using-decls)

std::string Nested(int depth, std::string_view open, std::string_view inner,
                   std::string_view close) {
  std::string text;
  for (int i = 0; i < depth; ++i) text += open;
  text += inner;
  for (int i = 0; i < depth; ++i) text += close;
  return text;
}

TEST(JsonScannerTest, AcceptsWhatTheGrammarAllows) {
  const std::string kTexts[] = {
      "null",
      "true",
      "false",
      "0",
      "-0",
      "-0.0",
      "1",
      "123",
      "-1",
      "0.5",
      "-123.456",
      "1e5",
      "1E5",
      "1e+5",
      "1E-5",
      "0e0",
      "0.0e-0",
      "1.000000000000000000000000000000000000000000000000001",
      "123456789012345678901234567890",
      "-123456789012345678901234567890",
      "1e999",
      "-1e-999",
      "1e99999999999999999999",
      "\"\"",
      "\"a\"",
      "\"exactly fifteen\"",
      "\"exactly sixteen!\"",
      "\"a text that is longer than two registers of sixteen bytes each\"",
      R"("\"\\\/\b\f\n\r\t")",
      R"("\u0000\u001f\u00e9\uABCD\uabcd")",
      R"("\ud83d\ude00")",
      R"("\ud800")",
      R"("\udc00\ud800")",
      R"("\uD800\u0041")",
      "\"\x7f\"",
      "\"\u00e9\"",
      "\"\u20ac\"",
      "\"\U0001F600\"",
      "\"\xc2\x80\"",
      "\"\xdf\xbf\"",
      "\"\xe0\xa0\x80\"",
      "\"\xed\x9f\xbf\"",
      "\"\xee\x80\x80\"",
      "\"\xef\xbf\xbf\"",
      "\"\xf0\x90\x80\x80\"",
      "\"\xf4\x8f\xbf\xbf\"",
      "\"\u2028\u2029\"",
      "[]",
      "[ ]",
      "[1]",
      "[1,2]",
      "[ 1 , 2 ]",
      "[[],[[]],{}]",
      "[null,true,false,0,\"\",[],{}]",
      "{}",
      "{ }",
      R"({"":0})",
      R"({"a":1})",
      R"({"a":1,"b":[{}]})",
      R"({"a":1,"a":2})",
      R"({ "a" : { "b" : [ ] } , "c" : null })",
      " \t\r\n[ \t\r\n1 \t\r\n] \t\r\n",
      "  1  ",
      "\n\"a\"\n",
      R"({"a\u0062":"c"})",
  };
  for (const std::string& text : kTexts) {
    const JsonScanResult result = ScanJson(text);
    EXPECT_TRUE(result.ok()) << text << ": " << JsonErrorText(result.error) << " at "
                             << result.offset;
    EXPECT_EQ(result.offset, text.size()) << text;
  }
}

struct Rejected {
  std::string text;
  JsonError error;
  size_t offset;
};

TEST(JsonScannerTest, RefusesWhatItDoesNotAllowAndSaysWhere) {
  const Rejected kTexts[] = {
      {"", JsonError::kUnexpectedEnd, 0},
      {" ", JsonError::kUnexpectedEnd, 1},
      {"\xef\xbb\xbf{}", JsonError::kUnexpectedCharacter, 0},
      {"\0"s, JsonError::kUnexpectedCharacter, 0},
      {"{}\0"s, JsonError::kTrailingData, 2},
      {"\f1", JsonError::kUnexpectedCharacter, 0},
      {"\xc2\xa0"
       "1",
       JsonError::kUnexpectedCharacter, 0},
      {"1 2", JsonError::kTrailingData, 2},
      {"{}{}", JsonError::kTrailingData, 2},
      {"[]]", JsonError::kTrailingData, 2},
      {"{}}", JsonError::kTrailingData, 2},
      {"[] // no", JsonError::kTrailingData, 3},
      {"/**/1", JsonError::kUnexpectedCharacter, 0},
      {"# 1", JsonError::kUnexpectedCharacter, 0},
      {"tru", JsonError::kBadLiteral, 0},
      {"truE", JsonError::kBadLiteral, 0},
      {"True", JsonError::kUnexpectedCharacter, 0},
      {"truee", JsonError::kTrailingData, 4},
      {"nul", JsonError::kBadLiteral, 0},
      {"[fals]", JsonError::kBadLiteral, 1},
      {"nan", JsonError::kBadLiteral, 0},
      {"NaN", JsonError::kUnexpectedCharacter, 0},
      {"Infinity", JsonError::kUnexpectedCharacter, 0},
      {"-Infinity", JsonError::kBadNumber, 1},
      {"undefined", JsonError::kUnexpectedCharacter, 0},
      {"01", JsonError::kBadNumber, 1},
      {"-01", JsonError::kBadNumber, 2},
      {"00", JsonError::kBadNumber, 1},
      {"+1", JsonError::kUnexpectedCharacter, 0},
      {".5", JsonError::kUnexpectedCharacter, 0},
      {"-", JsonError::kBadNumber, 1},
      {"-.5", JsonError::kBadNumber, 1},
      {"--1", JsonError::kBadNumber, 1},
      {"1.", JsonError::kBadNumber, 2},
      {"1.e5", JsonError::kBadNumber, 2},
      {"1e", JsonError::kBadNumber, 2},
      {"1e+", JsonError::kBadNumber, 3},
      {"1e-x", JsonError::kBadNumber, 3},
      {"1e1.5", JsonError::kTrailingData, 3},
      {"0x1", JsonError::kTrailingData, 1},
      {"1_000", JsonError::kTrailingData, 1},
      {"1.2.3", JsonError::kTrailingData, 3},
      {"[1,,2]", JsonError::kUnexpectedCharacter, 3},
      {"[,1]", JsonError::kUnexpectedCharacter, 1},
      {"[1,]", JsonError::kUnexpectedCharacter, 3},
      {"[1 2]", JsonError::kUnexpectedCharacter, 3},
      {"[1", JsonError::kUnexpectedEnd, 2},
      {"[1,", JsonError::kUnexpectedEnd, 3},
      {"[", JsonError::kUnexpectedEnd, 1},
      {"]", JsonError::kUnexpectedCharacter, 0},
      {"[}", JsonError::kUnexpectedCharacter, 1},
      {"[1}", JsonError::kUnexpectedCharacter, 2},
      {"{", JsonError::kUnexpectedEnd, 1},
      {"}", JsonError::kUnexpectedCharacter, 0},
      {"{]", JsonError::kUnexpectedCharacter, 1},
      {R"({"a"})", JsonError::kUnexpectedCharacter, 4},
      {R"({"a":})", JsonError::kUnexpectedCharacter, 5},
      {R"({"a":1)", JsonError::kUnexpectedEnd, 6},
      {R"({"a":1])", JsonError::kUnexpectedCharacter, 6},
      {R"({"a":1,})", JsonError::kUnexpectedCharacter, 7},
      {R"({"a":1,,"b":2})", JsonError::kUnexpectedCharacter, 7},
      {R"({"a" 1})", JsonError::kUnexpectedCharacter, 5},
      {R"({"a"::1})", JsonError::kUnexpectedCharacter, 5},
      {R"({"a":1 "b":2})", JsonError::kUnexpectedCharacter, 7},
      {R"({,})", JsonError::kUnexpectedCharacter, 1},
      {R"({a:1})", JsonError::kUnexpectedCharacter, 1},
      {R"({1:1})", JsonError::kUnexpectedCharacter, 1},
      {R"({null:1})", JsonError::kUnexpectedCharacter, 1},
      {R"({'a':1})", JsonError::kUnexpectedCharacter, 1},
      {R"({"a":{"b":[1,{"c":2]}})", JsonError::kUnexpectedCharacter, 19},
      {R"(")", JsonError::kUnexpectedEnd, 1},
      {R"("a)", JsonError::kUnexpectedEnd, 2},
      {R"("a\)", JsonError::kUnexpectedEnd, 3},
      {R"("a\")", JsonError::kUnexpectedEnd, 4},
      {R"("\q")", JsonError::kBadEscape, 1},
      {R"("\x41")", JsonError::kBadEscape, 1},
      {R"("\'")", JsonError::kBadEscape, 1},
      {R"("\0")", JsonError::kBadEscape, 1},
      {R"("\U0041")", JsonError::kBadEscape, 1},
      {R"("\u")", JsonError::kBadEscape, 1},
      {R"("\u12")", JsonError::kBadEscape, 1},
      {R"("\u12g4")", JsonError::kBadEscape, 1},
      {R"("\u123)", JsonError::kUnexpectedEnd, 6},
      {"\"\\\n\"", JsonError::kBadEscape, 1},
      {"\"\\\xc3\xa9\"", JsonError::kBadEscape, 1},
      {"\"a\nb\"", JsonError::kControlCharacter, 2},
      {"\"\t\"", JsonError::kControlCharacter, 1},
      {"\"\0\""s, JsonError::kControlCharacter, 1},
      {"\"\x1f\"", JsonError::kControlCharacter, 1},
      {"\"0123456789abcdefghijk\x01\"", JsonError::kControlCharacter, 22},
      {"\"\x80\"", JsonError::kBadUtf8, 1},
      {"\"\xbf\"", JsonError::kBadUtf8, 1},
      {"\"\xc0\x80\"", JsonError::kBadUtf8, 1},
      {"\"\xc1\xbf\"", JsonError::kBadUtf8, 1},
      {"\"\xc3\"", JsonError::kBadUtf8, 1},
      {"\"\xc3\x41\"", JsonError::kBadUtf8, 1},
      {"\"\xe0\x9f\xbf\"", JsonError::kBadUtf8, 1},
      {"\"\xe2\x82\"", JsonError::kBadUtf8, 1},
      {"\"\xed\xa0\x80\"", JsonError::kBadUtf8, 1},
      {"\"\xed\xbf\xbf\"", JsonError::kBadUtf8, 1},
      {"\"\xf0\x8f\xbf\xbf\"", JsonError::kBadUtf8, 1},
      {"\"\xf0\x9f\x98\"", JsonError::kBadUtf8, 1},
      {"\"\xf4\x90\x80\x80\"", JsonError::kBadUtf8, 1},
      {"\"\xf5\x80\x80\x80\"", JsonError::kBadUtf8, 1},
      {"\"\xff\"", JsonError::kBadUtf8, 1},
      {"\"\xe2\x82", JsonError::kBadUtf8, 1},
      {"\"\u00e9\xff\"", JsonError::kBadUtf8, 3},
      {"{\"\xff\":1}", JsonError::kBadUtf8, 2},
      {"[1\xff]", JsonError::kUnexpectedCharacter, 2},
      {R"({"a": tru, "b": 01, "c":"\q", "d":[1,,2]})", JsonError::kBadLiteral, 6},
  };
  for (const Rejected& expected : kTexts) {
    const JsonScanResult result = ScanJson(expected.text);
    EXPECT_EQ(result.error, expected.error) << expected.text << ": " << JsonErrorText(result.error);
    EXPECT_EQ(result.offset, expected.offset) << expected.text;
  }
}

TEST(JsonScannerTest, TellsTheKind) {
  EXPECT_EQ(ScanJson(" {}").kind, JsonKind::kObject);
  EXPECT_EQ(ScanJson("[]").kind, JsonKind::kArray);
  EXPECT_EQ(ScanJson("\"\"").kind, JsonKind::kString);
  EXPECT_EQ(ScanJson("-1").kind, JsonKind::kNumber);
  EXPECT_EQ(ScanJson("false").kind, JsonKind::kBoolean);
  EXPECT_EQ(ScanJson("null").kind, JsonKind::kNull);
}

TEST(JsonScannerTest, BoundsTheDepth) {
  EXPECT_TRUE(ScanJson(Nested(64, "[", "", "]")).ok());
  EXPECT_TRUE(ScanJson(Nested(64, "{\"a\":", "1", "}")).ok());
  const JsonScanResult deep = ScanJson(Nested(65, "[", "", "]"));
  EXPECT_EQ(deep.error, JsonError::kTooDeep);
  EXPECT_EQ(deep.offset, 64u);
  EXPECT_EQ(ScanJson(Nested(65, "{\"a\":", "1", "}")).error, JsonError::kTooDeep);
  EXPECT_TRUE(ScanJson("1", 0).ok());
  EXPECT_EQ(ScanJson("[]", 0).error, JsonError::kTooDeep);
  EXPECT_TRUE(ScanJson("[]", 1).ok());
  EXPECT_EQ(ScanJson("[{}]", 1).error, JsonError::kTooDeep);
  EXPECT_TRUE(ScanJson(Nested(1024, "[", "", "]"), 5000).ok());
  EXPECT_EQ(ScanJson(Nested(1025, "[", "", "]"), 5000).error, JsonError::kTooDeep);
  EXPECT_EQ(ScanJson(std::string(1'000'000, '[')).error, JsonError::kTooDeep);
}

// The stack of brackets is a bit set: every pattern of objects and arrays must come back out of it.
TEST(JsonScannerTest, RemembersEveryPatternOfBrackets) {
  std::mt19937_64 random(7);
  for (int round = 0; round < 500; ++round) {
    const int depth = 1 + static_cast<int>(random() % 200);
    std::string open, close;
    for (int i = 0; i < depth; ++i) {
      const bool object = random() % 2 == 0;
      open += object ? "{\"k\":[{}],\"v\":" : "[[],";
      close.insert(0, object ? "}" : "]");
    }
    EXPECT_TRUE(ScanJson(open + "1" + close, 300).ok());
    std::string wrong = close;
    char& bracket = wrong[random() % wrong.size()];
    bracket = bracket == '}' ? ']' : '}';
    EXPECT_EQ(ScanJson(open + "1" + wrong, 300).error, JsonError::kUnexpectedCharacter);
  }
}

// Every error wherever it stands to the scanner's 16-byte steps.
TEST(JsonScannerTest, FindsAByteAtEveryPlace) {
  for (size_t size = 0; size < 70; ++size) {
    for (size_t at = 0; at < size; ++at) {
      std::string text = "\"" + std::string(size, 'x') + "\"";
      EXPECT_TRUE(ScanJson(text).ok());
      text[1 + at] = '\x1f';
      EXPECT_EQ(ScanJson(text).error, JsonError::kControlCharacter);
      EXPECT_EQ(ScanJson(text).offset, 1 + at);
      text[1 + at] = '\x90';
      EXPECT_EQ(ScanJson(text).error, JsonError::kBadUtf8);
      EXPECT_EQ(ScanJson(text).offset, 1 + at);
      text[1 + at] = '"';
      EXPECT_EQ(ScanJson(text).ok(), false);
      EXPECT_EQ(ScanJson(text).offset, 2 + at);
    }
  }
}

// simdjson's DOM agrees except for three things that travel as text: numbers beyond 64 bits or a
// double, escapes of lone surrogates, and its own depth limit. Mutations that bring those up are
// left out.
TEST(JsonScannerTest, AgreesWithSimdjson) {
  const std::string kSeeds[] = {
      R"({"type":"room_message","id":"m1","data":{"room_id":"r","payload":{"a":[1,2.5,-3e2,true,false,null]}}})",
      R"([{"k":"v\n\t\"\\"},{"e":"é€"},[[[]]],{},"", 0, -1.25E+2])",
      "{\"text\":\"caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80 and a longer plain tail\",\"n\":10}",
      R"([true,false,null,0.1,1e1,"\u0041\u00e9"])",
      R"("just a string")",
      "  [ 1 , 2 ]  ",
  };
  const std::string kBytes =
      "{}[]\",:\\ \n\t0123456789-+.eEtfnulrasu/\x01\x1f\x7f\x80\xbf\xc3\xa9\xe2\xed\xf0\xf4\xff";
  std::mt19937_64 random(42);
  simdjson::dom::parser parser;
  int valid = 0;
  for (int round = 0; round < 200'000; ++round) {
    std::string text = kSeeds[random() % std::size(kSeeds)];
    for (uint64_t edits = random() % 4; edits > 0 && !text.empty(); --edits) {
      const size_t at = random() % text.size();
      switch (random() % 4) {
        case 0:
          text[at] = kBytes[random() % kBytes.size()];
          break;
        case 1:
          text.insert(at, 1, kBytes[random() % kBytes.size()]);
          break;
        case 2:
          text.erase(at, 1 + random() % 3);
          break;
        default:
          text.insert(at, text.substr(random() % text.size(), random() % 8));
      }
    }
    const simdjson::error_code theirs = parser.parse(text).error();
    const bool ours = ScanJson(text, 100).ok();
    valid += ours;
    if (ours && (theirs == simdjson::NUMBER_ERROR)) continue;
    if (ours && theirs == simdjson::STRING_ERROR && text.find("\\u") != std::string::npos) continue;
    ASSERT_EQ(ours, theirs == simdjson::SUCCESS) << text << ": " << simdjson::error_message(theirs);
  }
  EXPECT_GT(valid, 40'000);
}

TEST(JsonMembersTest, TellsThoseOfTheOutermostObject) {
  std::vector<JsonMember> members;
  const auto scan = [&members](std::string_view text) {
    std::vector<std::pair<std::string, std::string>> pairs;
    EXPECT_TRUE(ScanJsonMembers(text, &members).ok()) << text;
    for (const JsonMember& member : members) pairs.emplace_back(member.name, member.value);
    return pairs;
  };
  using Pairs = std::vector<std::pair<std::string, std::string>>;
  EXPECT_EQ(scan(R"({"a":1,"b":"x","a":null})"),
            (Pairs{{"a", "1"}, {"b", R"("x")"}, {"a", "null"}}));
  EXPECT_EQ(scan(R"( { "o" : { "in" : [ 1 , {} ] } , "l" : [ ] , "\u0061":-1.5e3 } )"),
            (Pairs{{"o", R"({ "in" : [ 1 , {} ] })"}, {"l", "[ ]"}, {R"(\u0061)", "-1.5e3"}}));
  EXPECT_EQ(scan(R"({"":{}})"), (Pairs{{"", "{}"}}));
  EXPECT_EQ(scan("{}"), Pairs());
  EXPECT_EQ(scan(R"([{"a":1}])"), Pairs());
  EXPECT_EQ(scan(R"("a")"), Pairs());
  EXPECT_FALSE(ScanJsonMembers(R"({"a":})", &members).ok());
}

}  // namespace
}  // namespace covet::payload
