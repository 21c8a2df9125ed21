// The SQLite event log on the disk that TMPDIR lies on. Times are wall clock: they are mostly
// fsync.

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "benchmark/benchmark.h"
#include "common/eventlog/blocking_log.h"
#include "common/eventlog/sqlite_event_log.h"
#include "common/eventlog/temp_directory.h"

namespace covet::eventlog {
namespace {

constexpr size_t kRecordBytes = 200;

class OpenLog {
 public:
  explicit OpenLog(int logs) {
    SqliteOptions options;
    options.directory = directory_.path();
    options.observer = &counter_;
    log_ = OpenSqliteEventLog(std::move(options)).value();
    for (int i = 0; i < logs; ++i) {
      epochs_.push_back(BlockingLog(*log_).Create(Id(i)).value().epoch);
      next_.push_back(1);
    }
  }

  static std::string Id(int log) { return "room:" + std::to_string(log); }
  Batch NextBatch(int log, int records = 1) {
    Batch batch{Id(log), epochs_[static_cast<size_t>(log)], next_[static_cast<size_t>(log)], 1, {}};
    for (int i = 0; i < records; ++i) batch.records.push_back(record_);
    next_[static_cast<size_t>(log)] += records;
    return batch;
  }
  EventLog& log() { return *log_; }
  int64_t commits() const { return counter_.commits; }

 private:
  struct Counter final : SqliteLogObserver {
    void OnCommit(const Commit&) override { ++commits; }
    std::atomic<int64_t> commits = 0;
  };

  TempDirectory directory_;
  Counter counter_;
  std::unique_ptr<EventLog> log_;
  std::vector<std::string> epochs_;
  std::vector<int64_t> next_;
  std::shared_ptr<const std::string> record_ =
      std::make_shared<const std::string>(kRecordBytes, 'r');
};

void BM_LoneAppend(benchmark::State& state) {
  OpenLog open(1);
  BlockingLog log(open.log());
  std::vector<double> micros;
  for (auto _ : state) {
    const int64_t begin = SystemClock().SteadyMicros();
    if (!log.Append(open.NextBatch(0)).ok()) state.SkipWithError("append");
    micros.push_back(static_cast<double>(SystemClock().SteadyMicros() - begin));
  }
  std::sort(micros.begin(), micros.end());
  state.counters["p50_us"] = micros[micros.size() / 2];
  state.counters["p99_us"] = micros[micros.size() * 99 / 100];
  state.counters["max_us"] = micros.back();
}
BENCHMARK(BM_LoneAppend)->UseRealTime()->Iterations(1000);

// Batches spread evenly over the logs, with 1000 in flight.
void BM_SaturatedAppend(benchmark::State& state) {
  constexpr int64_t kInFlight = 1000;
  const auto logs = static_cast<int>(state.range(0));
  const auto records = static_cast<int>(state.range(1));
  OpenLog open(logs);
  const int64_t commits_before = open.commits();
  std::mutex mutex;
  std::condition_variable changed;
  int64_t in_flight = 0;
  int64_t appended = 0;
  for (auto _ : state) {
    {
      std::unique_lock lock(mutex);
      changed.wait(lock, [&] { return in_flight < kInFlight; });
      ++in_flight;
    }
    open.log().Append(open.NextBatch(static_cast<int>(appended++ % logs), records),
                      [&](const absl::Status& status) {
                        if (!status.ok()) std::abort();
                        const std::lock_guard lock(mutex);
                        --in_flight;
                        changed.notify_one();
                      });
  }
  std::unique_lock lock(mutex);
  changed.wait(lock, [&] { return in_flight == 0; });
  state.SetItemsProcessed(appended * records);
  state.counters["commits"] = static_cast<double>(open.commits() - commits_before);
}
BENCHMARK(BM_SaturatedAppend)
    ->ArgNames({"logs", "records"})
    ->Args({1, 1})
    ->Args({100, 1})
    ->Args({10000, 1})
    ->UseRealTime()
    ->MeasureProcessCPUTime()
    ->Iterations(50'000);
BENCHMARK(BM_SaturatedAppend)
    ->ArgNames({"logs", "records"})
    ->Args({1, 50})
    ->UseRealTime()
    ->MeasureProcessCPUTime()
    ->Iterations(5'000);

// A page of 100 out of the middle of a log, its records appended one by one (0) or 20 at a time.
void BM_ReadPage(benchmark::State& state) {
  constexpr int64_t kRecords = 100'000;
  const auto batch = static_cast<int>(state.range(0));
  OpenLog open(1);
  for (int64_t i = 0; i < kRecords; i += batch) {
    open.log().Append(open.NextBatch(0, batch), [](const absl::Status&) {});
  }
  BlockingLog log(open.log());
  log.Put("end", "").IgnoreError();
  int64_t after = 0;
  for (auto _ : state) {
    after = (after + 7919) % (kRecords - 100);
    const auto page = log.Read(OpenLog::Id(0), after, 100);
    if (!page.ok() || page->records.size() != 100) state.SkipWithError("read");
  }
  state.SetItemsProcessed(state.iterations() * 100);
}
BENCHMARK(BM_ReadPage)->ArgName("batch")->Arg(1)->Arg(20)->UseRealTime()->MeasureProcessCPUTime();

}  // namespace
}  // namespace covet::eventlog
