#include "common/eventlog/sqlite_event_log.h"

#include <sqlite3.h>

#include <filesystem>
#include <future>
#include <memory>
#include <string>
#include <vector>

#include "common/eventlog/blocking_log.h"
#include "common/eventlog/event_log_conformance.h"
#include "common/eventlog/temp_directory.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace covet::eventlog {
namespace {

namespace fs = std::filesystem;

class SqliteHarness final : public EventLogHarness {
 public:
  explicit SqliteHarness(SqliteOptions options = {}) : options_(std::move(options)) {}
  std::unique_ptr<EventLog> Open(int64_t queue_bytes) override {
    options_.directory = directory_.path();
    options_.queue_bytes = queue_bytes;
    auto log = OpenSqliteEventLog(options_);
    EXPECT_TRUE(log.ok()) << log.status();
    return log.ok() ? *std::move(log) : nullptr;
  }

 private:
  TempDirectory directory_;
  SqliteOptions options_;
};

SqliteOptions TightOptions() {
  SqliteOptions options;
  options.cached_logs = 1;
  options.reader_threads = 2;
  options.idle_checkpoint_bytes = 1;
  options.max_wal_bytes = 1;
  return options;
}

INSTANTIATE_TEST_SUITE_P(
    Sqlite, EventLogConformance,
    testing::Values(
        ConformanceCase{"Default", [] { return std::make_unique<SqliteHarness>(); }},
        // Every lookup reads the database, every commit is followed by a checkpoint, two readers.
        ConformanceCase{"Tight", [] { return std::make_unique<SqliteHarness>(TightOptions()); }}),
    CaseName);

class SqliteEventLogTest : public testing::Test {
 protected:
  std::unique_ptr<EventLog> Open(const std::string& directory) {
    SqliteOptions options;
    options.directory = directory;
    auto log = OpenSqliteEventLog(std::move(options));
    EXPECT_TRUE(log.ok()) << log.status();
    return log.ok() ? *std::move(log) : nullptr;
  }
  absl::Status OpenError(const std::string& directory) {
    SqliteOptions options;
    options.directory = directory;
    return OpenSqliteEventLog(std::move(options)).status();
  }
  // Makes log `id` with one record; its epoch.
  std::string MakeLog(EventLog& log, const std::string& id) {
    BlockingLog blocking(log);
    const auto state = blocking.Create(id);
    EXPECT_TRUE(state.ok()) << state.status();
    EXPECT_TRUE(
        blocking.Append({id, state->epoch, 1, 1, {std::make_shared<std::string>("r")}}).ok());
    return state->epoch;
  }
  void Execute(const std::string& file, const char* sql) {
    sqlite3* handle = nullptr;
    ASSERT_EQ(sqlite3_open(file.c_str(), &handle), SQLITE_OK);
    EXPECT_EQ(sqlite3_exec(handle, sql, nullptr, nullptr, nullptr), SQLITE_OK)
        << sqlite3_errmsg(handle);
    sqlite3_close(handle);
  }

  TempDirectory directory_;
};

TEST_F(SqliteEventLogTest, ASecondOpenerIsTurnedAwayUntilTheFirstEnds) {
  auto log = Open(directory_.path());
  const absl::Status status = OpenError(directory_.path());
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_THAT(std::string(status.message()),
              testing::HasSubstr("process " + std::to_string(::getpid()) + " uses"));
  log.reset();
  EXPECT_TRUE(OpenError(directory_.path()).ok());
}

TEST_F(SqliteEventLogTest, NamesShareADirectory) {
  SqliteOptions options;
  options.directory = directory_.path();
  options.name = "rooms";
  auto rooms = OpenSqliteEventLog(options);
  options.name = "streams";
  auto streams = OpenSqliteEventLog(options);
  ASSERT_TRUE(rooms.ok()) << rooms.status();
  ASSERT_TRUE(streams.ok()) << streams.status();
  MakeLog(**rooms, "a");
  EXPECT_TRUE(absl::IsNotFound(BlockingLog(**streams).Head("a").status()));
}

TEST_F(SqliteEventLogTest, AnUnknownFormatIsNotTouched) {
  Open(directory_.path());
  Execute(directory_.File("events.db"), "PRAGMA user_version=99");
  const absl::Status status = OpenError(directory_.path());
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_THAT(std::string(status.message()), testing::HasSubstr("format 99"));
}

TEST_F(SqliteEventLogTest, AnotherProgramsDatabaseIsNotTouched) {
  Execute(directory_.File("events.db"), "CREATE TABLE theirs(x)");
  EXPECT_TRUE(absl::IsFailedPrecondition(OpenError(directory_.path())));
}

TEST_F(SqliteEventLogTest, BadOptionsAreRefused) {
  SqliteOptions options;
  options.directory = directory_.path();
  options.queue_bytes = 0;
  EXPECT_TRUE(absl::IsInvalidArgument(OpenSqliteEventLog(options).status()));
}

TEST_F(SqliteEventLogTest, ARestartKeepsEpochs) {
  auto log = Open(directory_.path());
  const std::string epoch = MakeLog(*log, "a");
  for (int i = 0; i < 3; ++i) {
    log.reset();
    log = Open(directory_.path());
    EXPECT_EQ(BlockingLog(*log).Head("a")->epoch, epoch);
  }
}

TEST_F(SqliteEventLogTest, ACopiedDirectoryRenewsEveryEpoch) {
  auto log = Open(directory_.path());
  const std::string a = MakeLog(*log, "a");
  const std::string b = MakeLog(*log, "b");
  log.reset();
  TempDirectory other;
  fs::copy(directory_.path(), other.path(), fs::copy_options::recursive);

  auto copy = Open(other.path());
  const auto copy_a = BlockingLog(*copy).Head("a");
  const auto copy_b = BlockingLog(*copy).Head("b");
  ASSERT_TRUE(copy_a.ok() && copy_b.ok());
  EXPECT_NE(copy_a->epoch, a);
  EXPECT_NE(copy_b->epoch, b);
  EXPECT_NE(copy_a->epoch, copy_b->epoch);
  EXPECT_EQ(copy_a->last_offset, 1);
  // The copy is at home from now on, and the original always was.
  copy.reset();
  copy = Open(other.path());
  EXPECT_EQ(BlockingLog(*copy).Head("a")->epoch, copy_a->epoch);
  log = Open(directory_.path());
  EXPECT_EQ(BlockingLog(*log).Head("a")->epoch, a);
}

TEST_F(SqliteEventLogTest, AnOlderDatabaseWrittenOverTheFileRenewsEveryEpoch) {
  auto log = Open(directory_.path());
  const std::string epoch = MakeLog(*log, "a");
  log.reset();
  TempDirectory backup;
  fs::copy_file(directory_.File("events.db"), backup.File("events.db"));
  log = Open(directory_.path());
  ASSERT_EQ(BlockingLog(*log).Head("a")->epoch, epoch);
  log.reset();
  // In place: the file keeps its inode.
  fs::copy_file(backup.File("events.db"), directory_.File("events.db"),
                fs::copy_options::overwrite_existing);
  log = Open(directory_.path());
  EXPECT_NE(BlockingLog(*log).Head("a")->epoch, epoch);
}

TEST_F(SqliteEventLogTest, ABackupOfTheLastRunWrittenOverTheFileRenewsEveryEpoch) {
  auto log = Open(directory_.path());
  const std::string epoch = MakeLog(*log, "a");
  TempDirectory backup;
  Execute(directory_.File("events.db"), ("VACUUM INTO '" + backup.File("events.db") + "'").c_str());
  log.reset();
  fs::copy_file(backup.File("events.db"), directory_.File("events.db"),
                fs::copy_options::overwrite_existing);
  log = Open(directory_.path());
  EXPECT_NE(BlockingLog(*log).Head("a")->epoch, epoch);
}

TEST_F(SqliteEventLogTest, AMissingMarkRenewsEveryEpoch) {
  auto log = Open(directory_.path());
  const std::string epoch = MakeLog(*log, "a");
  log.reset();
  fs::remove(directory_.File("events.instance"));
  log = Open(directory_.path());
  EXPECT_NE(BlockingLog(*log).Head("a")->epoch, epoch);
}

}  // namespace
}  // namespace covet::eventlog
