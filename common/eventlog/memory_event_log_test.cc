#include "common/eventlog/memory_event_log.h"

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/eventlog/event_log_conformance.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace covet::eventlog {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class MemoryHarness final : public EventLogHarness {
 public:
  explicit MemoryHarness(std::shared_ptr<MemoryStorage> storage) : storage_(std::move(storage)) {}
  std::unique_ptr<EventLog> Open(int64_t queue_bytes) override {
    MemoryOptions options;
    options.queue_bytes = queue_bytes;
    options.storage = storage_;
    return std::make_unique<MemoryEventLog>(std::move(options));
  }
  bool keeps_data() const override { return storage_ != nullptr; }

 private:
  const std::shared_ptr<MemoryStorage> storage_;
};

INSTANTIATE_TEST_SUITE_P(
    Memory, EventLogConformance,
    testing::Values(ConformanceCase{"Own", [] { return std::make_unique<MemoryHarness>(nullptr); }},
                    ConformanceCase{"Shared",
                                    [] {
                                      return std::make_unique<MemoryHarness>(
                                          std::make_shared<MemoryStorage>());
                                    }}),
    CaseName);

// A log whose tasks run when the test says so.
class MemoryEventLogExecutorTest : public testing::Test {
 protected:
  std::unique_ptr<MemoryEventLog> Open() {
    MemoryOptions options;
    options.ids = &ids_;
    options.storage = storage_;
    options.queue_bytes = 4096;
    options.executor = [this](std::function<void()> task) { tasks_.push_back(std::move(task)); };
    return std::make_unique<MemoryEventLog>(std::move(options));
  }
  bool RunOne() {
    if (tasks_.empty()) return false;
    const auto task = std::move(tasks_.front());
    tasks_.pop_front();
    task();
    return true;
  }
  void Put(MemoryEventLog& log, const std::string& key) {
    log.Put(key, "v", [this, key](absl::Status status) {
      answers_.push_back(key + ":" + absl::StatusCodeToString(status.code()));
    });
  }
  std::vector<std::string> Keys(MemoryEventLog& log) {
    std::vector<std::string> keys;
    log.Scan("", "", 100, [&](auto pairs) {
      for (const auto& [key, value] : *pairs) keys.push_back(key);
    });
    while (RunOne()) {
    }
    return keys;
  }

  SeededIds ids_{1};
  std::shared_ptr<MemoryStorage> storage_ = std::make_shared<MemoryStorage>();
  std::deque<std::function<void()>> tasks_;
  std::vector<std::string> answers_;
};

TEST_F(MemoryEventLogExecutorTest, NothingHappensBeforeTheExecutorRunsIt) {
  const auto log = Open();
  Put(*log, "a");
  Put(*log, "b");
  EXPECT_THAT(answers_, IsEmpty());
  EXPECT_TRUE(RunOne());
  EXPECT_THAT(answers_, ElementsAre("a:OK"));
  EXPECT_TRUE(RunOne());
  EXPECT_THAT(answers_, ElementsAre("a:OK", "b:OK"));
  EXPECT_FALSE(RunOne());
}

TEST_F(MemoryEventLogExecutorTest, TheQueueIsBounded) {
  const auto log = Open();
  int refused = 0;
  for (int i = 0; i < 20; ++i) {
    log->Put("k", std::string(1000, 'v'),
             [&](absl::Status status) { refused += absl::IsResourceExhausted(status) ? 1 : 0; });
  }
  while (RunOne()) {
  }
  EXPECT_EQ(refused, 17);
  Put(*log, "room again");
  while (RunOne()) {
  }
  EXPECT_THAT(answers_, ElementsAre("room again:OK"));
}

TEST_F(MemoryEventLogExecutorTest, DestructionAnswersAndLeavesTasksHarmless) {
  auto log = Open();
  Put(*log, "a");
  log.reset();
  EXPECT_THAT(answers_, ElementsAre("a:OK"));
  while (RunOne()) {
  }
  EXPECT_THAT(answers_, ElementsAre("a:OK"));
}

TEST_F(MemoryEventLogExecutorTest, ACrashLosesWhatItIsToldToAndAnswersNobody) {
  auto log = Open();
  for (const char* key : {"a", "b", "c", "d"}) Put(*log, key);
  RunOne();
  log->Crash(/*committed=*/1);
  while (RunOne()) {
  }
  log.reset();
  EXPECT_THAT(answers_, ElementsAre("a:OK"));
  log = Open();
  EXPECT_THAT(Keys(*log), ElementsAre("a", "b"));
}

TEST_F(MemoryEventLogExecutorTest, ACrashedLogRefuses) {
  const auto log = Open();
  log->Crash(0);
  Put(*log, "a");
  while (RunOne()) {
  }
  EXPECT_THAT(answers_, ElementsAre("a:UNAVAILABLE"));
}

}  // namespace
}  // namespace covet::eventlog
