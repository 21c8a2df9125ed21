#include "services/streams/sources/logs/line_parser.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/payload/json_scanner.h"
#include "common/payload/json_writer.h"
#include "services/streams/sources/logs/line_splitter.h"

namespace covet::streams::logs {
namespace {

using ::testing::ElementsAre;

constexpr int64_t kNow = 1757505600000;  // 2025-09-10T12:00:00Z

ParsedLine Parse(std::string_view line, std::string_view file = "", bool truncated = false) {
  LineParser parser(absl::UTCTimeZone(), 64 << 10);
  ParsedLine out;
  parser.Parse(line, kNow, truncated, file, &out);
  EXPECT_TRUE(payload::ScanJson(out.json).ok()) << out.json;
  return out;
}

std::string Time(const ParsedLine& line) {
  std::string text;
  if (line.timestamp_ms) payload::AppendRfc3339Millis(&text, *line.timestamp_ms);
  return text;
}

struct TextCase {
  const char* line;
  const char* time;
  v1::Severity severity;
};

TEST(LineParserTest, TimeAndSeverityOfText) {
  const TextCase cases[] = {
      {"2025-09-10T12:00:00.123Z INFO started", "2025-09-10T12:00:00.123Z", v1::SEVERITY_INFO},
      {"2025-09-10T12:00:00.1234567+02:00 started", "2025-09-10T10:00:00.123Z",
       v1::SEVERITY_UNSPECIFIED},
      {"2025-09-10 12:00:00,5 - app.db - WARNING - slow", "2025-09-10T12:00:00.500Z",
       v1::SEVERITY_WARNING},
      {"2025-09-10 12:00:00.123 UTC [42] ERROR:  duplicate key", "2025-09-10T12:00:00.123Z",
       v1::SEVERITY_ERROR},
      {"2025-09-10 12:00:00.123 -0300 [42] LOG:  checkpoint", "2025-09-10T15:00:00.123Z",
       v1::SEVERITY_INFO},
      {"2025/09/10 12:00:00 [error] 7#7: *1 open() failed", "2025-09-10T12:00:00.000Z",
       v1::SEVERITY_ERROR},
      {"[Wed Sep 10 12:00:00.123456 2025] [core:warn] [pid 7] slow", "2025-09-10T12:00:00.123Z",
       v1::SEVERITY_WARNING},
      {"127.0.0.1 - - [10/Sep/2025:12:00:00 +0200] \"GET / HTTP/1.1\" 200 12",
       "2025-09-10T10:00:00.000Z", v1::SEVERITY_UNSPECIFIED},
      {"Sep  9 23:59:59 host sshd[7]: error: refused", "2025-09-09T23:59:59.000Z",
       v1::SEVERITY_UNSPECIFIED},
      {"Dec 31 23:59:59 host app: last year", "2024-12-31T23:59:59.000Z", v1::SEVERITY_UNSPECIFIED},
      {"<11>Sep 10 12:00:00 host app: priority", "2025-09-10T12:00:00.000Z", v1::SEVERITY_ERROR},
      {"<165>1 2025-09-10T12:00:00Z host app - - - notice", "2025-09-10T12:00:00.000Z",
       v1::SEVERITY_NOTICE},
      {"E0910 12:00:00.123456    42 file.cc:10] failed", "2025-09-10T12:00:00.123Z",
       v1::SEVERITY_ERROR},
      {"time=2025-09-10T12:00:00Z level=warn msg=\"slow\"", "2025-09-10T12:00:00.000Z",
       v1::SEVERITY_WARNING},
      {"ts=\"2025-09-10T12:00:00Z\" level=\"fatal\"", "2025-09-10T12:00:00.000Z",
       v1::SEVERITY_CRITICAL},
      {"WARN something", "", v1::SEVERITY_WARNING},
      {"error: something", "", v1::SEVERITY_ERROR},
      {"[critical] something", "", v1::SEVERITY_CRITICAL},
      {"the error was mine, no information lost", "", v1::SEVERITY_UNSPECIFIED},
      {"GET /ERROR/page.LOG", "", v1::SEVERITY_UNSPECIFIED},
      {"2025-13-10T12:00:00Z bad month", "", v1::SEVERITY_UNSPECIFIED},
      {"2025-02-30T12:00:00Z bad day", "", v1::SEVERITY_UNSPECIFIED},
      {"<999>x", "", v1::SEVERITY_UNSPECIFIED},
      {"", "", v1::SEVERITY_UNSPECIFIED},
  };
  for (const TextCase& test : cases) {
    const ParsedLine line = Parse(test.line);
    EXPECT_EQ(Time(line), test.time) << test.line;
    EXPECT_EQ(line.severity, test.severity) << test.line;
    std::string message = R"({"message":)";
    payload::AppendQuoted(&message, test.line);
    EXPECT_EQ(line.json, message + "}");
  }
}

struct JsonCase {
  const char* line;
  const char* json;
  const char* time;
  v1::Severity severity;
};

TEST(LineParserTest, JsonLinesAreTheRecords) {
  const JsonCase cases[] = {
      // As it stands, numbers and all.
      {R"({"timestamp":"2025-09-10T12:00:00Z","severity":"warning","n":1.00})",
       R"({"timestamp":"2025-09-10T12:00:00Z","severity":"warning","n":1.00})",
       "2025-09-10T12:00:00.000Z", v1::SEVERITY_WARNING},
      {R"({"level":"WARN","msg":"x"})", R"({"level":"WARN","msg":"x"})", "", v1::SEVERITY_WARNING},
      {R"({"level":50,"time":1757505600123})", R"({"level":50,"time":1757505600123})",
       "2025-09-10T12:00:00.123Z", v1::SEVERITY_ERROR},
      {R"({"ts":1757505600.5,"lvl":"dbg"})", R"({"ts":1757505600.5,"lvl":"dbg"})",
       "2025-09-10T12:00:00.500Z", v1::SEVERITY_DEBUG},
      {R"({"@timestamp":"2025-09-10T12:00:00.000Z","log.level":"error"})",
       R"({"@timestamp":"2025-09-10T12:00:00.000Z","log.level":"error"})",
       "2025-09-10T12:00:00.000Z", v1::SEVERITY_ERROR},
      // Spelled otherwise: ours takes its place.
      {R"({"severity":"ERROR","n":1})", R"({"n":1})", "", v1::SEVERITY_ERROR},
      {R"({"timestamp":1757505600,"n":1})", R"({"n":1})", "2025-09-10T12:00:00.000Z",
       v1::SEVERITY_UNSPECIFIED},
      {R"({"timestamp":"2025-09-10 12:00:00,123"})", R"({})", "2025-09-10T12:00:00.123Z",
       v1::SEVERITY_UNSPECIFIED},
      // Not understood: left alone.
      {R"({"severity":"odd","timestamp":"soon"})", R"({"severity":"odd","timestamp":"soon"})", "",
       v1::SEVERITY_UNSPECIFIED},
      {R"({"level":"\u0049NFO"})", R"({"level":"\u0049NFO"})", "", v1::SEVERITY_INFO},
      {R"([1,2])", R"({"message":"[1,2]"})", "", v1::SEVERITY_UNSPECIFIED},
      {R"({"level":"INFO")", R"({"message":"{\"level\":\"INFO\""})", "", v1::SEVERITY_INFO},
  };
  for (const JsonCase& test : cases) {
    const ParsedLine line = Parse(test.line);
    EXPECT_EQ(line.json, test.json) << test.line;
    EXPECT_EQ(Time(line), test.time) << test.line;
    EXPECT_EQ(line.severity, test.severity) << test.line;
  }
}

TEST(LineParserTest, FileAndTruncationAreTold) {
  EXPECT_EQ(Parse("x", "a.log", true).json, R"({"message":"x","file":"a.log","truncated":true})");
  EXPECT_EQ(Parse(R"({"a":1})", "a.log").json, R"({"a":1,"file":"a.log"})");
  EXPECT_EQ(Parse(R"({"file":1})", "a.log").json, R"({"file":1})");
  // What was cut is no JSON any more, even if it looks so.
  EXPECT_EQ(Parse("{}", "", true).json, R"({"message":"{}","truncated":true})");
}

TEST(LineParserTest, WhatIsNotUtf8IsReplaced) {
  EXPECT_EQ(Parse("a\xff\x01").json, "{\"message\":\"a\xEF\xBF\xBD\\u0001\"}");
}

TEST(LineParserTest, RecordsStayWithinTheirBound) {
  LineParser parser(absl::UTCTimeZone(), 4096);
  ParsedLine out;
  parser.Parse(std::string(4000, '\x01'), kNow, false, "f", &out);
  EXPECT_LE(out.json.size(), 4096u);
  EXPECT_TRUE(out.json.ends_with(R"("file":"f","truncated":true})"));
  parser.Parse("{\"a\":\"" + std::string(5000, 'x') + "\"}", kNow, false, "", &out);
  EXPECT_LE(out.json.size(), 4096u);
  EXPECT_TRUE(out.json.starts_with(R"({"message":"{\"a\")"));
}

TEST(LineSplitterTest, CutsLinesHoweverTheyCome) {
  const std::string text = "one\ntwo\r\n\n0123456789abc\nrest\rless\r\ntail";
  for (size_t step = 1; step <= text.size(); ++step) {
    LineSplitter splitter(/*max_line_bytes=*/10);
    std::vector<std::string> lines;
    const auto add = [&](std::string_view line, bool truncated) {
      lines.push_back(std::string(line) + (truncated ? "…" : ""));
    };
    for (size_t at = 0; at < text.size(); at += step) {
      splitter.Feed(std::string_view(text).substr(at, step), add);
    }
    EXPECT_EQ(splitter.pending_bytes(), 4);
    splitter.Flush(add);
    EXPECT_THAT(lines, ElementsAre("one", "two", "", "0123456789…", "rest\rless", "tail")) << step;
    EXPECT_EQ(splitter.pending_bytes(), 0);
  }
}

}  // namespace
}  // namespace covet::streams::logs
