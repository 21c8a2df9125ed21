#include "services/streams/sources/logs/log_follower.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <regex>

#include "absl/strings/str_cat.h"
#include "common/eventlog/temp_directory.h"
#include "common/logging/log.h"

namespace covet::streams::logs {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
namespace fs = std::filesystem;

// A real directory with real inotify; the clock is the test's.
class LogFollowerTest : public testing::Test {
 protected:
  std::string Path(const std::string& name) const { return directory_.path() + "/" + name; }

  void Append(const std::string& name, const std::string& text) {
    std::ofstream(Path(name), std::ios::app) << text;
  }
  void Rename(const std::string& from, const std::string& to) { fs::rename(Path(from), Path(to)); }
  void Copy(const std::string& from, const std::string& to) { fs::copy_file(Path(from), Path(to)); }
  void Truncate(const std::string& name) { fs::resize_file(Path(name), 0); }
  // File times have the grain of the kernel's clock.
  void Age(const std::string& name, int seconds) {
    fs::last_write_time(Path(name),
                        fs::file_time_type::clock::now() - std::chrono::seconds(seconds));
  }

  void Start(const std::string& pattern = "app.log", bool from_beginning = false,
             size_t max_line_bytes = 1024) {
    follower_ = std::make_unique<LogFollower>(
        FollowOptions{Path(pattern), from_beginning, max_line_bytes}, position_);
    Read();
  }
  // As a process that is killed: what was read is kept, and where it ended.
  void Restart(const std::string& pattern = "app.log", bool from_beginning = false) {
    position_ = follower_->Position();
    Start(pattern, from_beginning);
  }

  void Read() {
    follower_->Refresh(now_ms_);
    while (follower_->ReadLines(
        now_ms_, 64, [this](std::string_view line, bool truncated, std::string_view file) {
          lines_.push_back((follower_->gap() ? "gap " : "") + std::string(file) +
                           (file.empty() ? "" : ":") + std::string(line) + (truncated ? "…" : ""));
          follower_->GapTold();
        })) {
    }
  }
  // Waits for inotify, then reads.
  void ReadWhenTold() {
    pollfd fd = {follower_->inotify_fd(), POLLIN, 0};
    ASSERT_EQ(poll(&fd, 1, 20'000), 1) << "inotify is silent";
    Read();
  }
  void Pass(int64_t ms) {
    now_ms_ += ms;
    Read();
  }
  std::vector<std::string> Lines() { return std::exchange(lines_, {}); }

  eventlog::TempDirectory directory_;
  std::string position_;
  int64_t now_ms_ = 1'000'000;
  std::unique_ptr<LogFollower> follower_;
  std::vector<std::string> lines_;
};

TEST_F(LogFollowerTest, BeginsAtTheEndAndFollows) {
  Append("app.log", "old\n");
  Start();
  EXPECT_THAT(Lines(), IsEmpty());
  Append("app.log", "one\ntw");
  ReadWhenTold();
  EXPECT_THAT(Lines(), ElementsAre("one"));
  Append("app.log", "o\r\n");
  ReadWhenTold();
  EXPECT_THAT(Lines(), ElementsAre("two"));
}

TEST_F(LogFollowerTest, TellsWhatItHasNotRead) {
  Append("app.log", "old\n");
  Start();
  EXPECT_EQ(follower_->UnreadBytes(), 0);
  Append("app.log", "one\ntwo\n");
  EXPECT_EQ(follower_->UnreadBytes(), 8);
  ReadWhenTold();
  EXPECT_EQ(follower_->UnreadBytes(), 0);
}

TEST_F(LogFollowerTest, BeginsAtTheBeginningIfTold) {
  Append("app.log", "old\n");
  Start("app.log", /*from_beginning=*/true);
  EXPECT_THAT(Lines(), ElementsAre("old"));
}

TEST_F(LogFollowerTest, AFileThatAppearsLaterIsReadWhole) {
  Start();
  Append("app.log", "first\n");
  ReadWhenTold();
  EXPECT_THAT(Lines(), ElementsAre("first"));
}

TEST_F(LogFollowerTest, ADirectoryThatAppearsLaterIsFoundInTime) {
  Start("sub/app.log");
  EXPECT_FALSE(follower_->directory_found());
  fs::create_directory(Path("sub"));
  Append("sub/app.log", "first\n");
  Pass(1000);
  EXPECT_TRUE(follower_->directory_found());
  EXPECT_THAT(Lines(), ElementsAre("first"));
}

TEST_F(LogFollowerTest, LongLinesAreCut) {
  Start("app.log", false, /*max_line_bytes=*/8);
  Append("app.log", "0123456789\nshort\n");
  ReadWhenTold();
  EXPECT_THAT(Lines(), ElementsAre("01234567…", "short"));
}

// As a writer leaves it that does not append, after copytruncate.
TEST_F(LogFollowerTest, AHoleOfAnySizeIsReadInSteps) {
  Append("app.log", "one\n");
  fs::resize_file(Path("app.log"), 4 << 20);
  Append("app.log", "\ntwo\n");
  follower_ = std::make_unique<LogFollower>(FollowOptions{Path("app.log"), true, 1024}, "");
  follower_->Refresh(now_ms_);
  const auto count = [this](std::string_view line, bool, std::string_view) {
    lines_.emplace_back(line);
  };
  int steps = 1;
  while (follower_->ReadLines(now_ms_, 256 << 10, count)) ++steps;
  EXPECT_GE(steps, 16);
  EXPECT_THAT(Lines(), ElementsAre("one", std::string(1024, '\0'), "two"));
}

TEST_F(LogFollowerTest, RenamedAndMadeAnew) {
  Start();
  Append("app.log", "one\n");
  ReadWhenTold();
  Rename("app.log", "app.log.1");
  Append("app.log.1", "late\n");  // By the writer, which has not noticed.
  Append("app.log", "two\n");
  ReadWhenTold();
  EXPECT_THAT(Lines(), ElementsAre("one", "late", "two"));
  Append("app.log.1", "later, without an end");
  ReadWhenTold();
  EXPECT_THAT(Lines(), IsEmpty());
  Append("app.log", "three\n");
  ReadWhenTold();
  Pass(6000);  // The old file is given up.
  EXPECT_THAT(Lines(), ElementsAre("three", "later, without an end"));
  EXPECT_EQ(follower_->files(), 1u);
  Pass(6000);
  EXPECT_THAT(Lines(), IsEmpty());
}

TEST_F(LogFollowerTest, DeletedAndMadeAnew) {
  Start();
  Append("app.log", "one\n");
  ReadWhenTold();
  fs::remove(Path("app.log"));
  Append("app.log", "two\n");
  ReadWhenTold();
  EXPECT_THAT(Lines(), ElementsAre("one", "two"));
}

TEST_F(LogFollowerTest, CopiedAndTruncated) {
  Start();
  Append("app.log", "one\n");
  ReadWhenTold();
  Append("app.log", "two\n");
  Copy("app.log", "app.log.1");
  Truncate("app.log");
  Append("app.log", "three\n");
  ReadWhenTold();
  // What was not read yet is in the copy only.
  EXPECT_THAT(Lines(), ElementsAre("one", "two", "three"));
  for (int i = 0; i < 10; ++i) Pass(1000);
  EXPECT_THAT(Lines(), IsEmpty());
  EXPECT_EQ(follower_->files(), 1u);
}

TEST_F(LogFollowerTest, ACopyInTheMakingIsNoNewFile) {
  Start();
  Append("app.log", "one\ntwo\n");
  ReadWhenTold();
  Append("app.log.1", "");
  ReadWhenTold();
  Append("app.log.1", "on");
  Pass(1000);
  Append("app.log.1", "e\ntwo\n");
  Truncate("app.log");
  Append("app.log", "three\n");
  ReadWhenTold();
  for (int i = 0; i < 10; ++i) Pass(1000);
  EXPECT_THAT(Lines(), ElementsAre("one", "two", "three"));
}

TEST_F(LogFollowerTest, ADeletedFileThatWasFinishedIsNoGap) {
  Start();
  Append("app.log", "one\n");
  ReadWhenTold();
  Rename("app.log", "app.log.1");
  Append("app.log", "two\n");
  ReadWhenTold();
  fs::remove(Path("app.log.1"));
  Restart();
  EXPECT_FALSE(follower_->gap());
  EXPECT_THAT(Lines(), ElementsAre("one", "two"));
}

TEST_F(LogFollowerTest, TruncatedAndFilledBeyondWhereItWas) {
  Start();
  Append("app.log", "one\n");
  ReadWhenTold();
  Truncate("app.log");
  Append("app.log", "two, which is longer\n");
  ReadWhenTold();
  EXPECT_THAT(Lines(), ElementsAre("one", "two, which is longer"));
}

TEST_F(LogFollowerTest, ARestartLosesAndRepeatsNothing) {
  Append("app.log", "old\n");
  Start();
  Append("app.log", "one\nhal");
  ReadWhenTold();
  Restart();
  Append("app.log", "f\ntwo\n");
  ReadWhenTold();
  Restart();
  EXPECT_THAT(Lines(), ElementsAre("one", "half", "two"));
  EXPECT_FALSE(follower_->gap());
}

TEST_F(LogFollowerTest, RotatedTwiceWhileNobodyLooked) {
  Append("app.log.1", "from before\n");
  Age("app.log.1", 100);
  Start();
  Append("app.log", "one\n");
  ReadWhenTold();
  Append("app.log", "two\n");
  Age("app.log", 30);
  Rename("app.log.1", "app.log.3");
  Rename("app.log", "app.log.2");
  Append("app.log.1", "three\n");
  Age("app.log.1", 20);
  Append("app.log", "four\n");
  position_ = follower_->Position();
  // Its time when it was read, which the test has changed.
  position_ = std::regex_replace(position_, std::regex(":\\d+( t|$)"), ":1$1");
  Start();
  EXPECT_THAT(Lines(), ElementsAre("one", "two", "three", "four"));
  EXPECT_FALSE(follower_->gap());
  Pass(6000);
  Restart();
  Pass(6000);
  EXPECT_THAT(Lines(), IsEmpty());
}

TEST_F(LogFollowerTest, TruncatedWhileNobodyLooked) {
  Start();
  Append("app.log", "one\n");
  ReadWhenTold();
  Append("app.log", "two\n");
  Copy("app.log", "app.log.1");
  Truncate("app.log");
  Append("app.log", "three, and it is longer than both\n");
  Restart();
  EXPECT_THAT(Lines(), ElementsAre("one", "two", "three, and it is longer than both"));
  EXPECT_FALSE(follower_->gap());
}

TEST_F(LogFollowerTest, WhatIsGoneIsAGap) {
  Start();
  Append("app.log", "one\n");
  ReadWhenTold();
  fs::remove(Path("app.log"));
  Append("app.log", "two\n");
  Restart();
  EXPECT_THAT(Lines(), ElementsAre("one", "gap two"));
  // A gap that no line has told yet stays.
  fs::remove(Path("app.log"));
  Restart();
  EXPECT_TRUE(follower_->gap());
  Restart();
  EXPECT_TRUE(follower_->gap());
  Append("app.log", "three\n");
  ReadWhenTold();
  EXPECT_THAT(Lines(), ElementsAre("gap three"));
}

TEST_F(LogFollowerTest, PatternsFollowEveryFileAndNameIt) {
  Append("a.log", "old\n");
  Start("*.log");
  Append("a.log", "one\n");
  Append("b.log", "two\n");
  Append("c.txt", "no\n");
  ReadWhenTold();
  Pass(1000);
  EXPECT_THAT(Lines(), testing::UnorderedElementsAre("a.log:one", "b.log:two"));
  Rename("a.log", "a.log.1");
  Append("a.log.1", "three\n");
  Append("a.log", "four\n");
  Pass(1000);
  EXPECT_THAT(Lines(), ElementsAre("a.log:three", "a.log:four"));
}

TEST_F(LogFollowerTest, FilesForWhichThereIsNoPlaceAreToldOnceAndFollowedLater) {
  const log::Capture log;
  for (size_t i = 0; i < kMaxFiles + 2; ++i) Append(absl::StrCat(i, ".log"), "old\n");
  Start("*.log");
  Pass(1000);
  Pass(1000);
  EXPECT_EQ(follower_->files(), kMaxFiles);
  EXPECT_EQ(follower_->left_out(), 2u);
  const auto warnings = [&log] {
    const std::vector<std::string> lines = log.lines();
    return std::count_if(lines.begin(), lines.end(), [](const std::string& line) {
      return line.find("log_file_ignored") != line.npos;
    });
  };
  EXPECT_EQ(warnings(), 2);
  for (size_t i = 0; i < kMaxFiles + 2; ++i) {
    if (i != 7) fs::remove(Path(absl::StrCat(i, ".log")));
  }
  Pass(1000);
  Pass(10'000);
  EXPECT_EQ(follower_->files(), 1u);
  EXPECT_EQ(follower_->left_out(), 0u);
  EXPECT_EQ(warnings(), 2);
}

// Its number may be that of a file that was looked at and left.
TEST_F(LogFollowerTest, ARotationWithTheInodeOfOneThatIsGoneIsRead) {
  Append("app.log", "");
  Append("app.log.1", "old\n");
  Age("app.log.1", 100);
  struct stat gone = {};
  ASSERT_EQ(stat(Path("app.log.1").c_str(), &gone), 0);
  Start();
  fs::remove(Path("app.log.1"));
  bool reused = false;
  for (int i = 0; i < 1'000 && !reused; ++i) {
    const std::string name = absl::StrCat("other", i);
    Append(name, "new\n");
    Age(name, -10);
    struct stat made = {};
    ASSERT_EQ(stat(Path(name).c_str(), &made), 0);
    reused = made.st_ino == gone.st_ino;
    if (reused) Rename(name, "app.log.1");
  }
  if (!reused) GTEST_SKIP() << "this file system does not use an inode again at once";
  Pass(1000);
  Pass(3000);
  EXPECT_THAT(Lines(), ElementsAre("new"));
}

TEST_F(LogFollowerTest, AMarkGoesBothWays) {
  const FileMark mark{12345, 678, 256, 0xfedcba9876543210, 1757505600000000000};
  EXPECT_EQ(FileMark::Parse(mark.Text())->Text(), mark.Text());
  for (const char* bad : {"", "1:2:3:4", "1:-2:3:4:5", "1:2:300:4:5", "1:2:3:x:5:6"}) {
    EXPECT_FALSE(FileMark::Parse(bad)) << bad;
  }
}

}  // namespace
}  // namespace covet::streams::logs
