// How the SQLite event log groups, refuses, checkpoints and cleans up.

#include <sqlite3.h>

#include <cstdint>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "common/eventlog/blocking_log.h"
#include "common/eventlog/sqlite_event_log.h"
#include "common/eventlog/temp_directory.h"
#include "gtest/gtest.h"

namespace covet::eventlog {
namespace {

class Recorder final : public SqliteLogObserver {
 public:
  void OnCommit(const Commit& commit) override {
    const std::lock_guard lock(mutex_);
    commits_.push_back(commit);
  }
  void OnCheckpoint(const Checkpoint& checkpoint) override {
    const std::lock_guard lock(mutex_);
    checkpoints_.push_back(checkpoint);
  }
  void OnRefusedWrite() override {
    const std::lock_guard lock(mutex_);
    ++refused_writes_;
  }
  void OnRefusedRead() override {
    const std::lock_guard lock(mutex_);
    ++refused_reads_;
  }
  std::vector<Commit> commits() const {
    const std::lock_guard lock(mutex_);
    return commits_;
  }
  std::vector<Checkpoint> checkpoints() const {
    const std::lock_guard lock(mutex_);
    return checkpoints_;
  }
  int refused_writes() const {
    const std::lock_guard lock(mutex_);
    return refused_writes_;
  }
  int refused_reads() const {
    const std::lock_guard lock(mutex_);
    return refused_reads_;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<Commit> commits_;
  std::vector<Checkpoint> checkpoints_;
  int refused_writes_ = 0;
  int refused_reads_ = 0;
};

// Holds the thread that runs its callback until told to let go.
class Stall {
 public:
  template <typename Answer>
  void Hold(const Answer&) {
    reached_.set_value();
    go_on_.get_future().wait();
  }
  void WaitUntilHeld() { reached_.get_future().wait(); }
  void LetGo() { go_on_.set_value(); }

 private:
  std::promise<void> reached_;
  std::promise<void> go_on_;
};

class SqliteQueueTest : public testing::Test {
 protected:
  void Open(SqliteOptions options) {
    log_.reset();
    options.directory = directory_.path();
    options.observer = &recorder_;
    auto log = OpenSqliteEventLog(std::move(options));
    ASSERT_TRUE(log.ok()) << log.status();
    log_ = *std::move(log);
  }
  BlockingLog blocking() { return BlockingLog(*log_); }
  static Batch OneRecord(const std::string& epoch, int64_t offset, size_t size) {
    return {"a", epoch, offset, 1, {std::make_shared<const std::string>(size, 'r')}};
  }
  void StallWriter(Stall& stall) {
    log_->Put("stall", "", [&](const absl::Status& status) { stall.Hold(status); });
    stall.WaitUntilHeld();
  }
  int64_t QueryInt(const std::string& sql) {
    sqlite3* handle = nullptr;
    sqlite3_stmt* statement = nullptr;
    EXPECT_EQ(sqlite3_open(directory_.File("events.db").c_str(), &handle), SQLITE_OK);
    EXPECT_EQ(sqlite3_prepare_v2(handle, sql.c_str(), -1, &statement, nullptr), SQLITE_OK);
    EXPECT_EQ(sqlite3_step(statement), SQLITE_ROW);
    const int64_t value = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    sqlite3_close(handle);
    return value;
  }

  Recorder recorder_;
  TempDirectory directory_;
  std::unique_ptr<EventLog> log_;
};

TEST_F(SqliteQueueTest, WhatQueuesUpDuringACommitSharesTheNext) {
  Open({});
  const std::string epoch = blocking().Create("a")->epoch;
  Stall stall;
  StallWriter(stall);
  const size_t before = recorder_.commits().size();
  for (int64_t offset = 1; offset <= 100; ++offset) {
    log_->Append(OneRecord(epoch, offset, 10),
                 [](const absl::Status& status) { EXPECT_TRUE(status.ok()) << status; });
  }
  stall.LetGo();
  ASSERT_TRUE(blocking().Head("a").ok());
  log_.reset();
  ASSERT_EQ(recorder_.commits().size(), before + 1);
  EXPECT_EQ(recorder_.commits().back().operations, 100);
  EXPECT_EQ(recorder_.commits().back().records, 100);
  EXPECT_EQ(recorder_.commits().back().bytes, 1000);
  EXPECT_EQ(recorder_.commits().back().queued_bytes, 0);
}

TEST_F(SqliteQueueTest, AFullQueueRefusesUntilItIsCommitted) {
  SqliteOptions options;
  options.queue_bytes = 100'000;
  Open(options);
  const std::string epoch = blocking().Create("a")->epoch;
  Stall stall;
  StallWriter(stall);
  std::vector<absl::StatusCode> codes;
  for (int64_t offset = 1; offset <= 4; ++offset) {
    log_->Append(OneRecord(epoch, offset, 30'000),
                 [&](const absl::Status& status) { codes.push_back(status.code()); });
  }
  EXPECT_EQ(recorder_.refused_writes(), 1);
  stall.LetGo();
  ASSERT_TRUE(blocking().Put("k", "v").ok());
  EXPECT_TRUE(blocking().Append(OneRecord(epoch, 4, 30'000)).ok());
  EXPECT_EQ(codes, (std::vector<absl::StatusCode>{absl::StatusCode::kOk, absl::StatusCode::kOk,
                                                  absl::StatusCode::kOk,
                                                  absl::StatusCode::kResourceExhausted}));
  EXPECT_EQ(blocking().Head("a")->last_offset, 4);
}

TEST_F(SqliteQueueTest, TooManyWaitingReadsAreRefused) {
  SqliteOptions options;
  options.waiting_reads = 3;
  Open(options);
  ASSERT_TRUE(blocking().Create("a").ok());
  Stall stall;
  log_->Head("a", [&](const absl::StatusOr<LogState>& state) { stall.Hold(state); });
  stall.WaitUntilHeld();
  std::vector<absl::StatusCode> codes;
  for (int i = 0; i < 5; ++i) {
    log_->Head("a", [&](const absl::StatusOr<LogState>& state) {
      codes.push_back(state.status().code());
    });
  }
  EXPECT_EQ(recorder_.refused_reads(), 2);
  stall.LetGo();
  log_.reset();
  const auto ok = absl::StatusCode::kOk;
  const auto refused = absl::StatusCode::kResourceExhausted;
  EXPECT_EQ(codes, (std::vector<absl::StatusCode>{ok, ok, ok, refused, refused}));
}

TEST_F(SqliteQueueTest, ABusyWriterBoundsTheWal) {
  SqliteOptions options;
  options.idle_checkpoint_bytes = 128 << 10;
  options.max_wal_bytes = 512 << 10;
  Open(options);
  const std::string epoch = blocking().Create("a")->epoch;
  Stall stall;
  StallWriter(stall);
  // Each is a commit of its own, and the writer never idle: 8 MiB fill a commit, so these do not
  // share one.
  const size_t size = size_t{5} << 20;
  for (int64_t offset = 1; offset <= 6; ++offset) {
    log_->Append(OneRecord(epoch, offset, size),
                 [](const absl::Status& status) { EXPECT_TRUE(status.ok()) << status; });
  }
  stall.LetGo();
  log_.reset();
  int forced = 0;
  for (const auto& checkpoint : recorder_.checkpoints()) forced += checkpoint.forced ? 1 : 0;
  EXPECT_GE(forced, 6);
  for (const auto& commit : recorder_.commits()) {
    EXPECT_LT(commit.wal_bytes, static_cast<int64_t>(size) + (1 << 20));
  }
}

TEST_F(SqliteQueueTest, AnotherProgramsLongReadDoesNotStopWrites) {
  SqliteOptions options;
  options.idle_checkpoint_bytes = 64 << 10;
  options.max_wal_bytes = 64 << 10;
  Open(options);
  const std::string epoch = blocking().Create("a")->epoch;
  sqlite3* backup = nullptr;
  ASSERT_EQ(sqlite3_open(directory_.File("events.db").c_str(), &backup), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(backup, "BEGIN; SELECT * FROM logs", nullptr, nullptr, nullptr),
            SQLITE_OK);
  for (int64_t offset = 1; offset <= 30; ++offset) {
    ASSERT_TRUE(blocking().Append(OneRecord(epoch, offset, 10'000)).ok());
  }
  EXPECT_GT(recorder_.commits().back().wal_bytes, 300'000);
  // Waits happen once per 64 KiB, not once per commit.
  EXPECT_LE(recorder_.checkpoints().size(), 12u);
  sqlite3_close(backup);
  for (int64_t offset = 31; offset <= 50; ++offset) {
    ASSERT_TRUE(blocking().Append(OneRecord(epoch, offset, 10'000)).ok());
  }
  EXPECT_LT(recorder_.commits().back().wal_bytes, 200'000);
}

TEST_F(SqliteQueueTest, BatchesOfDeletedLogsAreRemovedAcrossRestarts) {
  Open({});
  const std::string epoch = blocking().Create("a")->epoch;
  for (int64_t offset = 1; offset <= 1000; ++offset) {
    log_->Append(OneRecord(epoch, offset, 10),
                 [](const absl::Status& status) { EXPECT_TRUE(status.ok()) << status; });
  }
  Stall stall;
  StallWriter(stall);
  log_->Delete("a", [](const absl::Status& status) { EXPECT_TRUE(status.ok()) << status; });
  stall.LetGo();
  log_.reset();
  for (int i = 0; i < 10 && QueryInt("SELECT count(*) FROM deleted_logs") != 0; ++i) {
    Open({});
    ASSERT_TRUE(blocking().Put("k", "v").ok());
    log_.reset();
  }
  EXPECT_EQ(QueryInt("SELECT count(*) FROM batches"), 0);
  EXPECT_EQ(QueryInt("SELECT count(*) FROM deleted_logs"), 0);
}

TEST_F(SqliteQueueTest, RemovingADeletedLogBoundsTheWal) {
  SqliteOptions options;
  options.idle_checkpoint_bytes = 64 << 10;
  options.max_wal_bytes = 128 << 10;
  Open(options);
  const std::string epoch = blocking().Create("a")->epoch;
  for (int64_t offset = 1; offset <= 4000; ++offset) {
    log_->Append(OneRecord(epoch, offset, 2000),
                 [](const absl::Status& status) { EXPECT_TRUE(status.ok()) << status; });
  }
  ASSERT_TRUE(blocking().Put("k", "v").ok());
  const size_t before = recorder_.checkpoints().size();
  ASSERT_TRUE(blocking().Delete("a").ok());
  for (int i = 0; i < 100 && QueryInt("SELECT count(*) FROM deleted_logs") != 0; ++i) {
    ASSERT_TRUE(blocking().Put("k", "v").ok());
  }
  EXPECT_EQ(QueryInt("SELECT count(*) FROM batches"), 0);
  const auto checkpoints = recorder_.checkpoints();
  ASSERT_GT(checkpoints.size(), before + 1);
  // The bound and what one step adds to it, not the whole log's pages.
  for (size_t i = before + 1; i < checkpoints.size(); ++i) {
    EXPECT_LT(checkpoints[i].wal_bytes, (128 << 10) + (2 << 20));
  }
}

}  // namespace
}  // namespace covet::eventlog
