#include "edge/rpc/thread_calls.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "common/base/id_generator.h"
#include "common/base/manual_clock.h"

namespace covet::edge {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

// A thread whose timers the test runs.
class TimerThread final : public EdgeThread {
 public:
  struct Timer {
    int64_t delay_ms;
    std::function<void()> fn;
  };

  size_t index() const override { return 0; }
  void Post(std::function<void()> fn) override { fn(); }
  void RunAfter(std::chrono::milliseconds delay, std::function<void()> fn) override {
    timers.push_back({delay.count(), std::move(fn)});
  }
  int64_t NowMillis() const override { return 0; }
  const TransportCounters& counters() const override { return counters_; }

  std::vector<Timer> timers;

 private:
  TransportCounters counters_;
};

class SilentWire final : public RpcWire {
 public:
  void Connect(uint64_t /*stream*/) override {}
  void Write(uint64_t /*stream*/, rpc::v1::EdgeFrame frame) override {
    frames.push_back(std::move(frame));
  }
  void Cancel(uint64_t /*stream*/) override {}
  std::vector<rpc::v1::EdgeFrame> frames;
};

class NoDispatcher final : public RpcDispatcher {
 public:
  void Dispatch(uint32_t /*thread*/, std::shared_ptr<RpcResults> /*results*/) override {}
};

class ThreadCallsTest : public testing::Test {
 protected:
  ThreadCallsTest() {
    identity_.set_user_id("u");
    link_.Start();
    link_.OnUp();
    link_.OnWritten();
    wire_.frames.clear();
    calls_.Bind(&thread_);
  }

  uint64_t Start(int64_t timeout_ms) {
    const uint64_t call = calls_.NextCall();
    CallParams params;
    params.identity = &identity_;
    params.method = "m";
    params.params = "{}";
    params.timeout_ms = timeout_ms;
    EXPECT_TRUE(calls_.Start(call, std::move(params), [this, call](CallOutcome outcome) {
      ended_.emplace_back(call, outcome.code);
    }));
    return call;
  }
  void RunTimer(int64_t advance_ms) {
    clock_.AdvanceMillis(advance_ms);
    const TimerThread::Timer timer = std::move(thread_.timers.front());
    thread_.timers.erase(thread_.timers.begin());
    timer.fn();
  }
  void Result(uint64_t call, const char* error = "") {
    RpcResults results(1);
    results[0].set_call_id(call);
    if (*error != '\0') {
      results[0].mutable_error()->set_code(error);
    } else {
      results[0].set_result("{}");
    }
    calls_.OnResults(results);
  }

  ManualClock clock_;
  SeededIds ids_{1};
  SilentWire wire_;
  NoDispatcher dispatcher_;
  RpcLink link_{RpcLinkOptions{}, clock_, ids_, wire_, dispatcher_};
  std::atomic<int64_t> running_{0};
  TimerThread thread_;
  ThreadCalls calls_{5, clock_, link_, running_};
  common::v1::Identity identity_;
  std::vector<std::pair<uint64_t, std::string>> ended_;
};

TEST_F(ThreadCallsTest, NumbersTellTheThread) {
  const uint64_t call = Start(1'000);
  EXPECT_EQ(ThreadOfCall(call), 5u);
  EXPECT_EQ(running_, 1);
  ASSERT_THAT(wire_.frames, SizeIs(1));
  EXPECT_EQ(wire_.frames[0].calls(0).identity().user_id(), "u");
}

TEST_F(ThreadCallsTest, EndsOnce) {
  const uint64_t call = Start(1'000);
  Result(call, "NOT_FOUND");
  Result(call);
  EXPECT_THAT(ended_, ElementsAre(std::pair(call, std::string("NOT_FOUND"))));
  EXPECT_EQ(running_, 0);
}

TEST_F(ThreadCallsTest, TimesOutAndCancels) {
  const uint64_t late = Start(3'000);
  const uint64_t early = Start(1'000);
  // The first timer was set for the later one.
  ASSERT_THAT(thread_.timers, SizeIs(2));
  EXPECT_EQ(thread_.timers[0].delay_ms, 3'000);
  EXPECT_EQ(thread_.timers[1].delay_ms, 1'000);
  std::swap(thread_.timers[0], thread_.timers[1]);
  link_.OnWritten();
  RunTimer(1'000);
  EXPECT_THAT(ended_, ElementsAre(std::pair(early, std::string("RPC_TIMEOUT"))));
  EXPECT_EQ(calls_.timeouts(), 1);
  EXPECT_EQ(running_, 1);
  Result(early);
  EXPECT_THAT(ended_, SizeIs(1));
  RunTimer(2'000);
  EXPECT_THAT(ended_, SizeIs(2));
  EXPECT_EQ(ended_[1], std::pair(late, std::string("RPC_TIMEOUT")));
}

TEST_F(ThreadCallsTest, CallsThatEndInTimeNeedNoTimerEach) {
  for (int i = 0; i < 100; ++i) {
    Result(Start(10'000));
    clock_.AdvanceMillis(1);
  }
  EXPECT_THAT(thread_.timers, SizeIs(1));
  RunTimer(10'000);
  EXPECT_THAT(thread_.timers, IsEmpty());
  EXPECT_EQ(calls_.timeouts(), 0);
}

TEST_F(ThreadCallsTest, ACancelledCallTellsNothing) {
  const uint64_t call = Start(1'000);
  calls_.Cancel(call);
  calls_.Cancel(call);
  Result(call);
  EXPECT_THAT(ended_, IsEmpty());
  EXPECT_EQ(running_, 0);
}

}  // namespace
}  // namespace covet::edge
