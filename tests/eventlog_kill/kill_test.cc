// kill -9 at random points: what was acknowledged is there afterwards, dense, exact and once.

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "common/eventlog/blocking_log.h"
#include "common/eventlog/sqlite_event_log.h"
#include "common/eventlog/temp_directory.h"
#include "gtest/gtest.h"
#include "tests/eventlog_kill/kill_records.h"

extern char** environ;

namespace covet::eventlog {
namespace {

struct Acknowledged {
  std::array<int64_t, kKillLogs> last_offset{};
  int64_t value = 0;
};

// Runs the writer, kills it after it has said `lines` lines, and takes in all that it said.
void RunAndKill(const std::string& directory, bool tight, int lines, Acknowledged* acknowledged) {
  int fds[2];
  ASSERT_EQ(::pipe2(fds, O_CLOEXEC), 0);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, fds[1], STDOUT_FILENO);
  std::string program = COVET_KILL_WRITER;
  std::string path = directory;
  std::string mode = tight ? "tight" : "default";
  char* const arguments[] = {program.data(), path.data(), mode.data(), nullptr};
  pid_t pid = -1;
  const int error = posix_spawn(&pid, program.c_str(), &actions, nullptr, arguments, environ);
  posix_spawn_file_actions_destroy(&actions);
  ::close(fds[1]);
  const std::unique_ptr<FILE, int (*)(FILE*)> said(::fdopen(fds[0], "r"), &std::fclose);
  ASSERT_EQ(error, 0);

  char line[64];
  for (int n = 0; std::fgets(line, sizeof line, said.get()) != nullptr; ++n) {
    if (n == lines) ::kill(pid, SIGKILL);
    const std::vector<absl::string_view> words = absl::StrSplit(absl::StripSuffix(line, "\n"), ' ');
    size_t log = 0;
    int64_t number = 0;
    if (words.size() != 2) continue;
    ASSERT_TRUE(absl::SimpleAtoi(words[1], &number)) << line;
    if (words[0] == "put") {
      acknowledged->value = number;
    } else {
      ASSERT_TRUE(absl::SimpleAtoi(words[0], &log)) << line;
      ASSERT_LT(log, static_cast<size_t>(kKillLogs));
      int64_t& last = acknowledged->last_offset[log];
      ASSERT_GT(number, last) << "an offset acknowledged twice";
      last = number;
    }
  }
  int status = 0;
  ASSERT_EQ(::waitpid(pid, &status, 0), pid);
  ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << "ended by itself: " << status;
}

class KillTest : public testing::TestWithParam<int> {
 protected:
  // Checks every record after `checked` and moves it on.
  void Check(BlockingLog log, const Acknowledged& acknowledged, int number, int64_t* checked) {
    const std::string id = KillLogId(number);
    const int64_t wanted = acknowledged.last_offset[static_cast<size_t>(number)];
    const auto state = log.Head(id);
    if (absl::IsNotFound(state.status()) && wanted == 0) return;  // Killed before it was made.
    ASSERT_TRUE(state.ok()) << state.status();
    ASSERT_GE(state->last_offset, wanted) << id << ": acknowledged and lost";
    std::string& epoch = epochs_[static_cast<size_t>(number)];
    if (!epoch.empty()) {
      ASSERT_EQ(state->epoch, epoch);
    }
    epoch = state->epoch;
    ASSERT_LE(state->first_offset, std::max<int64_t>(1, state->last_offset - kKillKept + 1));
    int64_t next = std::max(*checked + 1, state->first_offset);
    while (next <= state->last_offset) {
      const auto page = log.Read(id, next - 1, 1000);
      ASSERT_TRUE(page.ok()) << page.status();
      ASSERT_FALSE(page->records.empty());
      for (const Record& record : page->records) {
        ASSERT_EQ(record.offset, next);
        ASSERT_EQ(record.data, KillRecord(number, next));
        ++next;
      }
    }
    *checked = state->last_offset;
  }

  std::array<std::string, kKillLogs> epochs_;
};

TEST_P(KillTest, AcknowledgedIsKept) {
  constexpr int kKills = 15;
  const TempDirectory directory;
  std::mt19937 random(static_cast<uint32_t>(GetParam()));
  Acknowledged acknowledged;
  std::array<int64_t, kKillLogs> checked{};
  for (int round = 0; round < kKills; ++round) {
    SCOPED_TRACE(round);
    const bool tight = round % 2 == 0;
    // Some die while they open the log; most while they write.
    const int lines = random() % 5 == 0 ? 0 : static_cast<int>(random() % 2000);
    RunAndKill(directory.path(), tight, lines, &acknowledged);
    if (HasFatalFailure()) return;
    auto log = OpenSqliteEventLog(KillOptions(directory.path(), tight));
    ASSERT_TRUE(log.ok()) << log.status();
    for (int number = 0; number < kKillLogs; ++number) {
      Check(BlockingLog(**log), acknowledged, number, &checked[static_cast<size_t>(number)]);
      if (HasFatalFailure()) return;
    }
    const auto values = BlockingLog(**log).Scan("k", "", 1);
    ASSERT_TRUE(values.ok()) << values.status();
    ASSERT_GE(values->empty() ? 0 : std::stoll((*values)[0].second), acknowledged.value);
  }
  // The killed writers did get somewhere, and once more from the beginning.
  auto log = OpenSqliteEventLog(KillOptions(directory.path(), false));
  ASSERT_TRUE(log.ok()) << log.status();
  for (int number = 0; number < kKillLogs; ++number) {
    EXPECT_GT(acknowledged.last_offset[static_cast<size_t>(number)], 100);
    int64_t from_the_beginning = 0;
    Check(BlockingLog(**log), acknowledged, number, &from_the_beginning);
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, KillTest, testing::Values(1, 2));

}  // namespace
}  // namespace covet::eventlog
