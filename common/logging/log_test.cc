#include "common/logging/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <fstream>
#include <limits>

#include "common/logging/audit.h"

namespace covet::log {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;

std::vector<std::string> ReadLines(const std::string& path) {
  std::ifstream in(path);
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

TEST(LogTest, LineIsJsonWithTimeLevelEventAndFields) {
  Capture capture;
  const std::string session = "sess_1";
  Info("session_opened", {{"session_id", session}, {"rooms", 3}, {"cpu", 0.5}, {"ok", true}});
  ASSERT_EQ(capture.lines().size(), 1u);
  EXPECT_THAT(
      capture.lines()[0],
      MatchesRegex(
          R"re(\{"ts":"[0-9]{4}-[0-9-]+T[0-9:]{8}\.[0-9]{3}Z","level":"info",)re"
          R"re("event":"session_opened","session_id":"sess_1","rooms":3,"cpu":0.5,"ok":true\})re"));
}

TEST(LogTest, TextCannotBreakTheLine) {
  Capture capture;
  Warning("x", {{"a", "q\" b\\ n\n \x01 \xff \xed\xa0\x80 \xc3\xa9"}});
  ASSERT_EQ(capture.lines().size(), 1u);
  EXPECT_THAT(capture.lines()[0],
              HasSubstr("\"q\\\" b\\\\ n\\n \\u0001 \\ufffd \\ufffd\\ufffd\\ufffd \xc3\xa9\""));
}

TEST(LogTest, NumbersThatJsonCannotHoldAreNull) {
  Capture capture;
  Info("x", {{"a", std::numeric_limits<double>::quiet_NaN()}, {"b", HUGE_VAL}});
  EXPECT_THAT(capture.lines()[0], HasSubstr("\"a\":null,\"b\":null}"));
}

TEST(LogTest, LevelFilters) {
  Capture capture(Level::kWarning);
  Debug("d");
  Info("i");
  Warning("w");
  Error("e");
  EXPECT_THAT(capture.lines(), ElementsAre(HasSubstr("\"w\""), HasSubstr("\"e\"")));
}

TEST(AuditTest, IsWrittenWhateverTheLevel) {
  Capture capture(Level::kOff);
  audit::Record(audit::event::kRoomJoined, {{"room_id", "r"}});
  EXPECT_THAT(
      capture.lines(),
      ElementsAre(HasSubstr("\"event\":\"room_joined\",\"audit\":true,\"room_id\":\"r\"}")));
}

TEST(AuditTest, GoesToItsFileInOrderAndIsComplete) {
  const std::string path = testing::TempDir() + "/audit_test.log";
  std::remove(path.c_str());
  std::string error;
  ASSERT_TRUE(Init({.level = Level::kOff, .target = "edge", .audit_file = path}, &error)) << error;
  constexpr int kRecords = 20000;  // More than the queue holds.
  for (int i = 0; i < kRecords; ++i) audit::Record(audit::event::kConnected, {{"n", i}});
  Flush();
  EXPECT_EQ(ReadLines(path).size(), static_cast<size_t>(kRecords));
  audit::Record(audit::event::kDisconnected, {});
  Shutdown();
  const std::vector<std::string> lines = ReadLines(path);
  ASSERT_EQ(lines.size(), kRecords + 1u);
  EXPECT_THAT(lines[kRecords - 1], HasSubstr("\"target\":\"edge\",\"n\":19999}"));
  EXPECT_THAT(lines[kRecords], HasSubstr("disconnected"));
}

TEST(LogTest, InitTellsWhyAnAuditFileCannotBeOpened) {
  std::string error;
  EXPECT_FALSE(Init({.target = "", .audit_file = "/nonexistent/audit.log"}, &error));
  EXPECT_THAT(error, HasSubstr("/nonexistent/audit.log: No such file"));
}

}  // namespace
}  // namespace covet::log
