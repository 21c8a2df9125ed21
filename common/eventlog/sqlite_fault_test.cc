// The event log against a disk that fails, through a VFS that counts and breaks what SQLite asks of
// it.

#include <signal.h>
#include <sqlite3.h>
#include <sys/resource.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>

#include "common/eventlog/blocking_log.h"
#include "common/eventlog/sqlite_event_log.h"
#include "common/eventlog/temp_directory.h"
#include "gtest/gtest.h"

namespace covet::eventlog {
namespace {

// The default VFS with its own fsync of write-ahead logs.
class FaultyVfs {
 public:
  static void Install() {
    static const bool installed = [] {
      real_ = sqlite3_vfs_find(nullptr);
      vfs_ = *real_;
      vfs_.zName = "faulty";
      vfs_.xOpen = Open;
      return sqlite3_vfs_register(&vfs_, /*makeDflt=*/1) == SQLITE_OK;
    }();
    if (!installed) std::abort();
    fail_syncs = false;
    full = false;
  }

  static inline std::atomic<int> wal_syncs = 0;
  static inline std::atomic<bool> fail_syncs = false;
  static inline std::atomic<bool> full = false;

 private:
  static int Open(sqlite3_vfs*, const char* name, sqlite3_file* file, int flags, int* out_flags) {
    const int code = real_->xOpen(real_, name, file, flags, out_flags);
    if (code == SQLITE_OK && (flags & SQLITE_OPEN_WAL) != 0) {
      // All of the VFS's files on one file system share their methods.
      real_methods_ = file->pMethods;
      methods_ = *real_methods_;
      methods_.xSync = Sync;
      methods_.xWrite = Write;
      file->pMethods = &methods_;
    }
    return code;
  }
  static int Write(sqlite3_file* file, const void* data, int size, sqlite3_int64 offset) {
    return full ? SQLITE_FULL : real_methods_->xWrite(file, data, size, offset);
  }
  static int Sync(sqlite3_file* file, int flags) {
    ++wal_syncs;
    return fail_syncs ? SQLITE_IOERR_FSYNC : real_methods_->xSync(file, flags);
  }

  static inline sqlite3_vfs* real_ = nullptr;
  static inline sqlite3_vfs vfs_;
  static inline const sqlite3_io_methods* real_methods_ = nullptr;
  static inline sqlite3_io_methods methods_;
};

class SqliteFaultTest : public testing::Test {
 protected:
  void SetUp() override {
    testing::FLAGS_gtest_death_test_style = "threadsafe";
    FaultyVfs::Install();
  }
  std::unique_ptr<EventLog> Open(std::function<void(std::string_view)> fatal = nullptr,
                                 int64_t min_free_bytes = 0) {
    SqliteOptions options;
    options.directory = directory_.path();
    options.fatal = std::move(fatal);
    options.min_free_bytes = min_free_bytes;
    auto log = OpenSqliteEventLog(std::move(options));
    return log.ok() ? *std::move(log) : nullptr;
  }
  // No file may grow any more.
  static void FreezeFiles() {
    ::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{4096, 4096};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  // Ends the process well if the write is acknowledged.
  static void PutOrDie(EventLog& log) {
    BlockingLog(log).Put("k", "v").IgnoreError();
    std::_Exit(0);
  }

  TempDirectory directory_;
};

TEST_F(SqliteFaultTest, EveryCommitIsSyncedBeforeItIsAcknowledged) {
  const auto log = Open();
  ASSERT_NE(log, nullptr);
  for (int i = 0; i < 10; ++i) {
    const int before = FaultyVfs::wal_syncs;
    ASSERT_TRUE(BlockingLog(*log).Put("k", std::to_string(i)).ok());
    EXPECT_GT(FaultyVfs::wal_syncs, before);
  }
}

TEST_F(SqliteFaultTest, AFullDiskRefusesAndLosesNothing) {
  const auto log = Open();
  ASSERT_NE(log, nullptr);
  BlockingLog blocking(*log);
  Batch batch;
  batch.log_id = "room:a";
  batch.epoch = blocking.Create("room:a")->epoch;
  const auto append = [&](int64_t offset, const std::string& text) {
    batch.first_offset = offset;
    batch.records = {std::make_shared<const std::string>(text)};
    return blocking.Append(batch);
  };
  ASSERT_TRUE(append(1, "kept").ok());
  FaultyVfs::full = true;
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(IsDiskFull(append(2, "refused")));
  EXPECT_TRUE(IsDiskFull(blocking.Put("k", "v")));
  EXPECT_TRUE(IsDiskFull(blocking.Create("room:b").status()));
  EXPECT_TRUE(IsDiskFull(blocking.Delete("room:a")));
  EXPECT_EQ(blocking.Head("room:a")->last_offset, 1);
  FaultyVfs::full = false;
  EXPECT_TRUE(append(2, "taken").ok());
  const auto read = blocking.Read("room:a", 0, 10);
  ASSERT_TRUE(read.ok()) << read.status();
  ASSERT_EQ(read->records.size(), 2u);
  EXPECT_EQ(read->records[1].data, "taken");
  EXPECT_TRUE(blocking.Scan("k", "", 1)->empty());
  EXPECT_TRUE(absl::IsNotFound(blocking.Head("room:b").status()));
}

TEST_F(SqliteFaultTest, RoomIsLeftForWhatMakesRoom) {
  {
    const auto log = Open();
    ASSERT_TRUE(BlockingLog(*log).Create("room:a").ok());
    ASSERT_TRUE(BlockingLog(*log).Put("k", "v").ok());
  }
  const auto log = Open(nullptr, int64_t{1} << 60);
  BlockingLog blocking(*log);
  EXPECT_TRUE(IsDiskFull(blocking.Put("k", "w")));
  EXPECT_TRUE(IsDiskFull(blocking.Create("room:b").status()));
  EXPECT_TRUE(blocking.Trim("room:a", {.max_count = 1}, 0).ok());
  EXPECT_TRUE(blocking.Erase("k").ok());
  EXPECT_TRUE(blocking.Delete("room:a").ok());
}

using SqliteFaultDeathTest = SqliteFaultTest;

TEST_F(SqliteFaultDeathTest, AFailedSyncEndsTheProcessUnacknowledged) {
  EXPECT_DEATH(
      {
        const auto log = Open();
        FaultyVfs::fail_syncs = true;
        PutOrDie(*log);
      },
      "events.db cannot be written: .*disk I/O error");
}

TEST_F(SqliteFaultDeathTest, TheHookHearsFirst) {
  EXPECT_DEATH(
      {
        const auto log = Open([](std::string_view message) {
          std::fprintf(stderr, "hook: %s\n", std::string(message).c_str());
        });
        FaultyVfs::fail_syncs = true;
        PutOrDie(*log);
      },
      "hook: event log .*cannot be written");
}

TEST_F(SqliteFaultDeathTest, ADiskThatTakesNoMoreEndsTheProcessUnacknowledged) {
  EXPECT_DEATH(
      {
        const auto log = Open();
        FreezeFiles();
        PutOrDie(*log);
      },
      "events.db cannot be written");
}

}  // namespace
}  // namespace covet::eventlog
