// Appends to several logs as fast as they take it and says on stdout what was acknowledged, until
// somebody kills it: "open" when it begins, then lines "<log> <last offset>", and "put <value>" for
// the value "k".

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <future>
#include <memory>
#include <string>
#include <utility>

#include "common/eventlog/blocking_log.h"
#include "common/eventlog/sqlite_event_log.h"
#include "tests/eventlog_kill/kill_records.h"

namespace covet::eventlog {
namespace {

constexpr int kBatchesInFlight = 6;

// One write(2) below PIPE_BUF is never torn.
void Say(const std::string& line) {
  if (::write(STDOUT_FILENO, line.data(), line.size()) < 0) ::_exit(3);
}

// Everything but Start runs in the log's callbacks, on its one thread.
class Appender {
 public:
  Appender(EventLog& log, int number, LogState state)
      : log_(log), number_(number), state_(std::move(state)) {}

  void Start() {
    log_.Put("start", "", [this](const absl::Status&) {
      for (int i = 0; i < kBatchesInFlight; ++i) AppendNext();
    });
  }

 private:
  void AppendNext() {
    Batch batch{KillLogId(number_), state_.epoch, state_.last_offset + 1, 1, {}};
    const int64_t count = 1 + batch.first_offset % 4;
    for (int64_t i = 0; i < count; ++i) {
      batch.records.push_back(
          std::make_shared<const std::string>(KillRecord(number_, batch.first_offset + i)));
    }
    state_.last_offset += count;
    log_.Append(std::move(batch), [this, last = state_.last_offset](const absl::Status& status) {
      if (!status.ok()) {
        std::fprintf(stderr, "append: %s\n", status.ToString().c_str());
        ::_exit(4);
      }
      Say(std::to_string(number_) + " " + std::to_string(last) + "\n");
      if (last % 50 == 0) {
        log_.Trim(KillLogId(number_), {.max_count = kKillKept}, 1, [](const auto&) {});
      }
      AppendNext();
    });
  }

  EventLog& log_;
  const int number_;
  LogState state_;
};

void PutNext(EventLog& log, int64_t value) {
  log.Put("k", std::to_string(value), [&log, value](const absl::Status& status) {
    if (!status.ok()) ::_exit(5);
    Say("put " + std::to_string(value) + "\n");
    PutNext(log, value + 1);
  });
}

int Run(const std::string& directory, bool tight) {
  Say("open\n");
  auto log = OpenSqliteEventLog(KillOptions(directory, tight));
  if (!log.ok()) {
    std::fprintf(stderr, "%s\n", log.status().ToString().c_str());
    return 2;
  }
  BlockingLog blocking(**log);
  const auto values = blocking.Scan("k", "", 1);
  if (!values.ok()) return 6;
  PutNext(**log, values->empty() ? 1 : std::stoll((*values)[0].second) + 1);
  std::vector<std::unique_ptr<Appender>> appenders;
  for (int number = 0; number < kKillLogs; ++number) {
    auto state = blocking.Create(KillLogId(number));
    if (!state.ok()) return 7;
    appenders.push_back(std::make_unique<Appender>(**log, number, *std::move(state)));
    appenders.back()->Start();
  }
  std::promise<void>().get_future().wait();
  return 0;
}

}  // namespace
}  // namespace covet::eventlog

int main(int argc, char** argv) {
  if (argc != 3) return 1;
  return covet::eventlog::Run(argv[1], std::string(argv[2]) == "tight");
}
