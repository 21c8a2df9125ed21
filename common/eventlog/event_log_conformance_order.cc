// The conformance suite's part on order, threads, the end of a log and what comes after it.

#include <atomic>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "common/eventlog/event_log_conformance.h"
#include "gmock/gmock.h"

namespace covet::eventlog {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

TEST_P(EventLogConformance, CallbacksOfWritesRunInTheOrderOfTheCalls) {
  std::vector<int> order;
  std::promise<void> done;
  const auto on_state = [&](int i) {
    return [&order, i](absl::StatusOr<LogState>) { order.push_back(i); };
  };
  const auto on_status = [&](int i) { return [&order, i](absl::Status) { order.push_back(i); }; };
  log_->Create("room:a", on_state(0));
  log_->Append(MakeBatch("room:a", "wrong", 1, {"x"}), on_status(1));
  log_->Put("k", "v", on_status(2));
  log_->Trim("room:a", {.max_count = 1}, 0, on_state(3));
  log_->Append(MakeBatch("room:a", "wrong", 1, {}), on_status(4));
  log_->Delete("room:a", on_status(5));
  log_->Trim("room:a", {.max_count = 1}, 0, on_state(6));
  log_->Erase("k", [&](absl::Status) {
    order.push_back(7);
    done.set_value();
  });
  done.get_future().wait();
  EXPECT_THAT(order, ElementsAre(0, 1, 2, 3, 4, 5, 6, 7));
}

TEST_P(EventLogConformance, CallbacksMayCallAgain) {
  const std::string epoch = log().Create("room:a")->epoch;
  std::promise<void> done;
  std::function<void(int64_t)> append = [&](int64_t offset) {
    log_->Append(MakeBatch("room:a", epoch, offset, {"r"}), [&, offset](absl::Status status) {
      EXPECT_TRUE(status.ok()) << status;
      if (offset == 20) {
        done.set_value();
      } else {
        append(offset + 1);
      }
    });
  };
  append(1);
  done.get_future().wait();
  EXPECT_EQ(log().Head("room:a")->last_offset, 20);
}

TEST_P(EventLogConformance, AWriteBeyondTheQueueIsRefusedInOrderAndChangesNothing) {
  const std::string epoch = log().Create("room:a")->epoch;
  std::vector<absl::StatusCode> codes;
  std::promise<void> done;
  const auto collect = [&](absl::Status status) { codes.push_back(status.code()); };
  const std::string too_large(kQueueBytes + 1, 'x');
  log_->Append(MakeBatch("room:a", epoch, 1, {"one"}), collect);
  log_->Append(MakeBatch("room:a", epoch, 2, {too_large}), collect);
  log_->Put("k", too_large, collect);
  log_->Append(MakeBatch("room:a", epoch, 2, {"two"}), [&](absl::Status status) {
    collect(status);
    done.set_value();
  });
  done.get_future().wait();
  EXPECT_THAT(codes, ElementsAre(absl::StatusCode::kOk, absl::StatusCode::kResourceExhausted,
                                 absl::StatusCode::kResourceExhausted, absl::StatusCode::kOk));
  EXPECT_THAT(Texts(log().Read("room:a", 0, 10)), ElementsAre("one", "two"));
  EXPECT_THAT(*log().Scan("", "", 10), IsEmpty());
}

TEST_P(EventLogConformance, ManyOwnersAppendAtOnce) {
  constexpr int kThreads = 4;
  constexpr int kLogsPerThread = 8;
  constexpr int64_t kBatches = 60;
  std::vector<std::thread> threads;
  std::atomic<int> acknowledged = 0;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      std::vector<std::string> epochs;
      for (int l = 0; l < kLogsPerThread; ++l) {
        epochs.push_back(log().Create("log" + std::to_string(t * kLogsPerThread + l))->epoch);
      }
      for (int64_t b = 0; b < kBatches; ++b) {
        for (int l = 0; l < kLogsPerThread; ++l) {
          const std::string id = "log" + std::to_string(t * kLogsPerThread + l);
          const std::string text = id + "/" + std::to_string(b);
          log_->Append(MakeBatch(id, epochs[l], 1 + 2 * b, {text + "a", text + "b"}),
                       [&](absl::Status status) {
                         EXPECT_TRUE(status.ok()) << status;
                         ++acknowledged;
                       });
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  ASSERT_TRUE(log().Put("end", "").ok());  // Writes commit in order.
  EXPECT_EQ(acknowledged, kThreads * kLogsPerThread * kBatches);
  for (int i = 0; i < kThreads * kLogsPerThread; ++i) {
    const std::string id = "log" + std::to_string(i);
    const auto result = log().Read(id, 0, 1000);
    ASSERT_TRUE(result.ok()) << result.status();
    ASSERT_EQ(result->records.size(), static_cast<size_t>(2 * kBatches));
    for (size_t r = 0; r < result->records.size(); ++r) {
      EXPECT_EQ(result->records[r].offset, static_cast<int64_t>(r) + 1);
      EXPECT_EQ(result->records[r].data,
                id + "/" + std::to_string(r / 2) + (r % 2 == 0 ? "a" : "b"));
    }
  }
}

TEST_P(EventLogConformance, ReadsBesideWritesAreDense) {
  const std::string epoch = log().Create("room:a")->epoch;
  std::atomic<int64_t> acknowledged = 0;
  std::promise<void> done;
  constexpr int64_t kRecords = 2000;
  for (int64_t offset = 1; offset <= kRecords; ++offset) {
    log_->Append(MakeBatch("room:a", epoch, offset, {std::to_string(offset)}),
                 [&, offset](absl::Status status) {
                   EXPECT_TRUE(status.ok()) << status;
                   acknowledged = offset;
                   if (offset == kRecords) done.set_value();
                 });
  }
  for (int64_t next = 1; next <= kRecords;) {
    const int64_t floor = acknowledged;
    const auto result = log().Read("room:a", next - 1, 64);
    ASSERT_TRUE(result.ok()) << result.status();
    ASSERT_GE(result->state.last_offset, floor);
    for (const Record& record : result->records) {
      ASSERT_EQ(record.offset, next);
      ASSERT_EQ(record.data, std::to_string(next));
      ++next;
    }
  }
  done.get_future().wait();
}

TEST_P(EventLogConformance, DestructionCommitsAndRunsEveryCallbackOnce) {
  const std::string epoch = log().Create("room:a")->epoch;
  constexpr int kCalls = 500;
  std::vector<int> runs(2 * kCalls, 0);
  for (int i = 0; i < kCalls; ++i) {
    log_->Append(MakeBatch("room:a", epoch, i + 1, {"r"}), [&runs, i](absl::Status status) {
      EXPECT_TRUE(status.ok()) << status;
      ++runs[2 * i];
    });
    log_->Head("room:a", [&runs, i](absl::StatusOr<LogState> state) {
      EXPECT_TRUE(state.ok()) << state.status();
      ++runs[2 * i + 1];
    });
  }
  log_.reset();
  EXPECT_THAT(runs, testing::Each(1));
  if (!harness_->keeps_data()) return;
  Reopen();
  EXPECT_EQ(log().Head("room:a")->last_offset, kCalls);
}

TEST_P(EventLogConformance, CallsFromCallbacksDuringDestructionAreAnswered) {
  std::promise<void> started;
  std::shared_future<void> proceed;
  std::promise<void> proceed_promise;
  proceed = proceed_promise.get_future().share();
  std::atomic<int> answers = 0;
  EventLog* log = log_.get();
  log->Put("k", "v", [&](absl::Status) {
    started.set_value();
    proceed.wait();
    ++answers;
    log->Put("k", "w", [&](absl::Status) {
      ++answers;
      log->Scan("", "", 1, [&](const auto&) { ++answers; });
    });
    log->Head("none", [&](absl::StatusOr<LogState>) { ++answers; });
  });
  started.get_future().wait();
  std::thread releaser([&] { proceed_promise.set_value(); });
  log_.reset();
  releaser.join();
  EXPECT_EQ(answers, 4);
}

TEST_P(EventLogConformance, ReopeningKeepsWhatWasAcknowledged) {
  if (!harness_->keeps_data()) GTEST_SKIP() << "begins empty by design";
  const std::string a = Fill("room:a", Numbered(30, 100));
  const std::string b = Fill("room:b", {"b1"});
  ASSERT_TRUE(log().Trim("room:a", {.max_count = 10}, 0).ok());
  ASSERT_TRUE(log().Put("k", "v").ok());
  ASSERT_TRUE(log().Create("room:gone").ok());
  ASSERT_TRUE(log().Delete("room:gone").ok());
  for (int round = 0; round < 3; ++round) {
    Reopen();
    const auto head = log().Head("room:a");
    ASSERT_TRUE(head.ok()) << head.status();
    EXPECT_EQ(head->epoch, a);
    EXPECT_EQ(head->first_offset, 21);
    EXPECT_EQ(head->last_offset, 30);
    EXPECT_EQ(head->bytes, 1000);
    EXPECT_EQ(Texts(log().Read("room:a", 25, 1)),
              (std::vector<std::string>{Numbered(26, 100)[25]}));
    EXPECT_EQ(log().Head("room:b")->epoch, b);
    EXPECT_THAT(*log().Scan("", "", 10), ElementsAre(Pair("k", "v")));
    EXPECT_TRUE(absl::IsNotFound(log().Head("room:gone").status()));
  }
  EXPECT_TRUE(absl::IsAborted(log().Append(MakeBatch("room:a", a, 30, {"x"}))));
  EXPECT_TRUE(log().Append(MakeBatch("room:a", a, 31, {"on"})).ok());
}

TEST_P(EventLogConformance, ALogThatKeepsNothingBeginsWithNewEpochs) {
  if (harness_->keeps_data()) GTEST_SKIP() << "keeps its logs";
  const std::string epoch = Fill("room:a", {"one"});
  Reopen();
  EXPECT_TRUE(absl::IsNotFound(log().Head("room:a").status()));
  EXPECT_NE(log().Create("room:a")->epoch, epoch);
}

}  // namespace
}  // namespace covet::eventlog
