#include "common/eventlog/sqlite_event_log.h"

#include <pthread.h>

#include <cstdio>
#include <cstdlib>
#include <limits>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/base/disk_space.h"
#include "common/eventlog/bounded_queue.h"
#include "common/eventlog/file_lock.h"
#include "common/eventlog/log_errors.h"
#include "common/eventlog/read_op.h"
#include "common/eventlog/sqlite_log_reader.h"
#include "common/eventlog/sqlite_log_writer.h"
#include "common/eventlog/sqlite_schema.h"
#include "common/eventlog/write_op.h"

namespace covet::eventlog {
namespace {

// One commit takes no more than this off the queue, so that what waits behind a flood waits for one
// part of it.
constexpr int64_t kCommitBytes = int64_t{8} << 20;
constexpr size_t kCommitOperations = 4096;
constexpr int64_t kMaxQueueBytes = int64_t{512} << 20;

void NameThread(const char* name) { pthread_setname_np(pthread_self(), name); }

class SqliteEventLog final : public EventLog {
 public:
  SqliteEventLog(SqliteOptions options, DataFiles files, std::unique_ptr<FileLock> lock,
                 std::unique_ptr<SqliteLogWriter> writer,
                 std::vector<std::unique_ptr<SqliteLogReader>> readers)
      : options_(std::move(options)),
        files_(std::move(files)),
        lock_(std::move(lock)),
        writer_(std::move(writer)),
        readers_(std::move(readers)),
        writes_(options_.queue_bytes),
        reads_(options_.waiting_reads) {
    if (options_.observer == nullptr) options_.observer = &no_observer_;
    writer_thread_ = std::thread([this] { WriteLoop(); });
    for (auto& reader : readers_) {
      reader_threads_.emplace_back([this, reader = reader.get()] { ReadLoop(reader); });
    }
  }

  ~SqliteEventLog() override {
    writes_.Close();
    reads_.Close();
    writer_thread_.join();
    for (auto& thread : reader_threads_) thread.join();
    // The last callbacks may have called again; those calls were refused and wait for their
    // answers.
    while (AnswerRefused()) {
    }
    readers_.clear();
    // If it fails, only a restore that nothing else gives away goes unnoticed.
    RenewInstance(writer_->database(), files_, *options_.ids).IgnoreError();
  }

  void Create(std::string log_id, StateCallback done) override {
    Write({CreateOp{std::move(log_id), std::move(done)}, {}});
  }
  void Append(Batch batch, StatusCallback done) override {
    Write({AppendOp{std::move(batch), std::move(done)}, {}});
  }
  void Trim(std::string log_id, Retention retention, int64_t now_ms, StateCallback done) override {
    Write({TrimOp{std::move(log_id), retention, now_ms, std::move(done)}, {}});
  }
  void Delete(std::string log_id, StatusCallback done) override {
    Write({DeleteOp{std::move(log_id), std::move(done)}, {}});
  }
  void Put(std::string key, std::string value, StatusCallback done) override {
    Write({PutOp{std::move(key), std::move(value), std::move(done)}, {}});
  }
  void Erase(std::string key, StatusCallback done) override {
    Write({EraseOp{std::move(key), std::move(done)}, {}});
  }

  void Head(std::string log_id, StateCallback done) override {
    EnqueueRead({HeadOp{std::move(log_id), std::move(done)}, {}});
  }
  void Read(std::string log_id, int64_t after, int32_t limit, int64_t max_bytes,
            ReadCallback done) override {
    EnqueueRead({ReadAfterOp{std::move(log_id), after, limit, max_bytes, std::move(done)}, {}});
  }
  void ReadSince(std::string log_id, int64_t since_ms, int32_t limit, ReadCallback done) override {
    EnqueueRead({ReadSinceOp{std::move(log_id), since_ms, limit, std::move(done)}, {}});
  }
  void Scan(std::string prefix, std::string after_key, int32_t limit, ScanCallback done) override {
    EnqueueRead({ScanOp{std::move(prefix), std::move(after_key), limit, std::move(done)}, {}});
  }

 private:
  void Write(WriteOp op) {
    const int64_t cost = WriteCost(op);
    if (absl::Status status = Validate(op); !status.ok()) Refuse(op, std::move(status));
    const bool accepted = writes_.PushOrRefuse(
        std::move(op), cost,
        [](WriteOp& refused, bool closed) { Refuse(refused, QueueRefusal(closed)); });
    if (!accepted) options_.observer->OnRefusedWrite();
  }

  void EnqueueRead(ReadOp op) {
    const bool accepted = reads_.PushOrRefuse(std::move(op), 1, [](ReadOp& refused, bool closed) {
      refused.refusal = QueueRefusal(closed);
    });
    if (!accepted) options_.observer->OnRefusedRead();
  }

  void WriteLoop() {
    NameThread("log-writer");
    std::vector<WriteOp> group;
    std::vector<Outcome> outcomes;
    for (;;) {
      int64_t cost = 0;
      if (!writes_.TryTake(kCommitBytes, kCommitOperations, &group, &cost)) {
        // The next start goes on with what is left.
        if (!writes_.closed() && WorkWhileIdle()) continue;
        if (!writes_.Take(kCommitBytes, kCommitOperations, &group, &cost)) return;
      }
      outcomes.assign(group.size(), Outcome{});
      CommitGroup(group, cost, outcomes);
      writes_.Release(cost);
      for (size_t i = 0; i < group.size(); ++i) Finish(group[i], std::move(outcomes[i]));
      group.clear();
    }
  }

  void CommitGroup(const std::vector<WriteOp>& group, int64_t cost,
                   std::vector<Outcome>& outcomes) {
    const int64_t begin = options_.clock->SteadyMicros();
    SqliteLogObserver::Commit report;
    const absl::Status status = ApplyAndCommit(group, cost, outcomes, &report);
    if (absl::IsResourceExhausted(status)) {
      MustSucceed(writer_->Rollback());
      for (Outcome& outcome : outcomes) {
        if (outcome.status.ok()) outcome.status = DiskFull();
      }
      return SetDiskFull(true);
    }
    MustSucceed(status);
    report.duration_us = options_.clock->SteadyMicros() - begin;
    report.queued_bytes = writes_.cost() - cost;
    report.wal_bytes = writer_->wal_bytes();
    options_.observer->OnCommit(report);
    BoundWal();
  }

  absl::Status ApplyAndCommit(const std::vector<WriteOp>& group, int64_t cost,
                              std::vector<Outcome>& outcomes, SqliteLogObserver::Commit* report) {
    const bool full = FreeDiskBytes(options_.directory) < options_.min_free_bytes + cost;
    SetDiskFull(full);
    for (size_t i = 0; i < group.size(); ++i) {
      if (full && Grows(group[i])) {
        outcomes[i].status = group[i].refusal.ok() ? DiskFull() : group[i].refusal;
        continue;
      }
      if (absl::Status status = writer_->Apply(group[i], &outcomes[i]); !status.ok()) return status;
      if (!outcomes[i].status.ok()) continue;
      ++report->operations;
      if (const auto* append = std::get_if<AppendOp>(&group[i].call)) {
        report->records += RecordCount(append->batch);
        report->bytes += RecordBytes(append->batch);
      }
    }
    if (writer_->has_deleted_logs()) {
      if (absl::Status status = writer_->RemoveDeletedBatches(); !status.ok()) return status;
    }
    return writer_->Commit();
  }

  static bool Grows(const WriteOp& op) {
    return std::holds_alternative<CreateOp>(op.call) || std::holds_alternative<AppendOp>(op.call) ||
           std::holds_alternative<PutOp>(op.call);
  }

  void SetDiskFull(bool full) {
    if (std::exchange(disk_full_, full) != full) options_.observer->OnDiskFull(full);
  }

  // One bounded step of what can wait; false if nothing is left to do.
  bool WorkWhileIdle() {
    // With a full disk there is none for this; the next write tells whether it still is.
    if (writer_->has_deleted_logs() && !disk_full_) {
      absl::Status status = writer_->RemoveDeletedBatches();
      if (status.ok()) status = writer_->Commit();
      if (absl::IsResourceExhausted(status)) {
        MustSucceed(writer_->Rollback());
        SetDiskFull(true);
        return false;
      }
      MustSucceed(status);
      BoundWal();
      return true;
    }
    if (CheckpointIsDue()) Checkpoint(/*forced=*/false);
    return false;
  }

  void BoundWal() {
    if (writer_->wal_bytes() >= options_.max_wal_bytes && CheckpointIsDue()) {
      Checkpoint(/*forced=*/true);
    }
  }

  // Counts what is new only, so that a long reader in the way does not cost each commit a wait.
  bool CheckpointIsDue() const {
    return writer_->new_wal_bytes() >= options_.idle_checkpoint_bytes;
  }

  void Checkpoint(bool forced) {
    const int64_t begin = options_.clock->SteadyMicros();
    SqliteLogObserver::Checkpoint report;
    report.wal_bytes = writer_->wal_bytes();
    report.forced = forced;
    MustSucceed(writer_->Checkpoint());
    report.duration_us = options_.clock->SteadyMicros() - begin;
    options_.observer->OnCheckpoint(report);
  }

  // After a failed write nobody knows what the disk holds; only a fresh start finds out.
  void MustSucceed(const absl::Status& status) {
    if (status.ok()) return;
    const std::string message =
        absl::StrCat("event log ", files_.database, " cannot be written: ", status.ToString());
    if (options_.fatal) {
      options_.fatal(message);
    } else {
      std::fprintf(stderr, "%s\n", message.c_str());
    }
    std::abort();
  }

  void ReadLoop(SqliteLogReader* reader) {
    NameThread("log-reader");
    std::vector<ReadOp> ops;
    for (int64_t cost = 0; reads_.Take(1, 1, &ops, &cost); cost = 0) {
      reads_.Release(cost);
      const int64_t begin = options_.clock->SteadyMicros();
      SqliteLogObserver::Read report;
      report.records = RunRead(ops[0], *reader);
      report.duration_us = options_.clock->SteadyMicros() - begin;
      if (ops[0].refusal.ok()) options_.observer->OnRead(report);
      ops.clear();
    }
  }

  bool AnswerRefused() {
    std::vector<WriteOp> writes;
    std::vector<ReadOp> reads;
    int64_t cost = 0;
    constexpr auto kAll = std::numeric_limits<int64_t>::max();
    writes_.TryTake(kAll, writes.max_size(), &writes, &cost);
    reads_.TryTake(kAll, reads.max_size(), &reads, &cost);
    for (WriteOp& op : writes) Finish(op, {op.refusal, {}});
    for (ReadOp& op : reads) RunRead(op, *readers_[0]);
    return !writes.empty() || !reads.empty();
  }

  SqliteOptions options_;
  SqliteLogObserver no_observer_;
  bool disk_full_ = false;  // The writer's.
  const DataFiles files_;
  const std::unique_ptr<FileLock> lock_;  // Freed after the connections below are closed.
  const std::unique_ptr<SqliteLogWriter> writer_;
  std::vector<std::unique_ptr<SqliteLogReader>> readers_;
  // Bytes. Beyond the bound a write is refused; the refusal keeps its place but none of its data.
  BoundedQueue<WriteOp> writes_;
  // Calls. Beyond the bound a read is refused likewise.
  BoundedQueue<ReadOp> reads_;
  std::thread writer_thread_;
  std::vector<std::thread> reader_threads_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<EventLog>> OpenSqliteEventLog(SqliteOptions options) {
  if (options.queue_bytes <= 0 || options.queue_bytes > kMaxQueueBytes ||
      options.reader_threads < 1 || options.waiting_reads < 1 || options.cached_logs < 1) {
    return absl::InvalidArgumentError("an event log option is out of range");
  }
  auto lock = FileLock::AcquireIn(options.directory, options.name);
  if (!lock.ok()) return lock.status();
  const std::string base = absl::StrCat(options.directory, "/", options.name);
  const DataFiles files{base + ".db", base + ".instance"};
  auto database = OpenWriterDatabase(files, *options.ids);
  if (!database.ok()) return database.status();
  auto writer = SqliteLogWriter::Create(*std::move(database), options.cached_logs, *options.ids);
  if (!writer.ok()) return writer.status();
  std::vector<std::unique_ptr<SqliteLogReader>> readers;
  for (int i = 0; i < options.reader_threads; ++i) {
    auto connection = OpenReaderDatabase(files);
    if (!connection.ok()) return connection.status();
    auto reader = SqliteLogReader::Create(*std::move(connection));
    if (!reader.ok()) return reader.status();
    readers.push_back(*std::move(reader));
  }
  return std::make_unique<SqliteEventLog>(std::move(options), files, *std::move(lock),
                                          *std::move(writer), std::move(readers));
}

}  // namespace covet::eventlog
