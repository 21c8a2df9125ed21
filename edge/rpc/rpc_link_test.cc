#include "edge/rpc/rpc_link.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/base/manual_clock.h"

namespace covet::edge {
namespace {

using rpc::v1::EdgeFrame;
using rpc::v1::LinkCall;
using rpc::v1::LinkResult;
using rpc::v1::ServiceFrame;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

class RecordingWire final : public RpcWire {
 public:
  void Connect(uint64_t stream) override { connects.push_back(stream); }
  void Write(uint64_t /*stream*/, EdgeFrame frame) override {
    ASSERT_FALSE(writing) << "two writes at once";
    writing = true;
    frames.push_back(std::move(frame));
  }
  void Cancel(uint64_t stream) override { cancels.push_back(stream); }

  std::vector<uint64_t> connects;
  std::vector<uint64_t> cancels;
  std::vector<EdgeFrame> frames;
  bool writing = false;
};

class RecordingDispatcher final : public RpcDispatcher {
 public:
  void Dispatch(uint32_t thread, std::shared_ptr<RpcResults> results) override {
    for (LinkResult& result : *results) this->results.emplace_back(thread, std::move(result));
  }
  std::vector<std::pair<uint32_t, LinkResult>> results;
};

class RpcLinkTest : public testing::Test {
 protected:
  RpcLinkTest() { Make({}); }

  void Make(RpcLinkOptions options) {
    options.edge_name = "edge";
    link_.emplace(std::move(options), clock_, ids_, wire_, dispatcher_);
  }
  void Connect() {
    link_->OnUp();
    Written();
    Answer({});
    wire_.frames.clear();
  }
  void Start() {
    link_->Start();
    Connect();
  }
  void Written() {
    wire_.writing = false;
    link_->OnWritten();
  }
  void Down() {
    wire_.writing = false;
    link_->OnDown();
  }
  bool Submit(uint64_t id, int64_t timeout_ms = 10'000, int64_t ttl_ms = 0,
              const std::string& params = "{}") {
    LinkCall call;
    call.set_call_id(id);
    call.set_method("m");
    call.set_params(params);
    const int64_t now = clock_.SteadyMillis();
    return link_->Submit(call, now + timeout_ms, ttl_ms == 0 ? 0 : now + ttl_ms);
  }
  void Answer(const std::vector<uint64_t>& ids) {
    ServiceFrame frame;
    for (const uint64_t id : ids) {
      LinkResult& result = *frame.add_results();
      result.set_call_id(id);
      result.set_result("{}");
    }
    link_->OnFrame(std::move(frame));
  }
  std::vector<uint64_t> CallsOf(const EdgeFrame& frame) {
    std::vector<uint64_t> ids;
    for (const LinkCall& call : frame.calls()) ids.push_back(call.call_id());
    return ids;
  }
  void ExpectFailed(uint64_t id, const std::string& code, const std::string& reason) {
    ASSERT_THAT(dispatcher_.results, SizeIs(1));
    const LinkResult& result = dispatcher_.results[0].second;
    EXPECT_EQ(result.call_id(), id);
    EXPECT_EQ(result.error().code(), code);
    EXPECT_EQ(result.error().details(), "{\"reason\":\"" + reason + "\"}");
    dispatcher_.results.clear();
  }

  ManualClock clock_;
  SeededIds ids_{1};
  RecordingWire wire_;
  RecordingDispatcher dispatcher_;
  std::optional<RpcLink> link_;
};

TEST_F(RpcLinkTest, GreetsFirstWithItsWindow) {
  link_->Start();
  EXPECT_THAT(wire_.connects, ElementsAre(1));
  EXPECT_TRUE(Submit(1));
  EXPECT_THAT(wire_.frames, IsEmpty());
  link_->OnUp();
  ASSERT_THAT(wire_.frames, SizeIs(1));
  EXPECT_EQ(wire_.frames[0].hello().version(), 1);
  EXPECT_EQ(wire_.frames[0].hello().credit_bytes(), RpcLinkOptions().credit_bytes);
  // What waited for the stream goes up at once.
  EXPECT_THAT(CallsOf(wire_.frames[0]), ElementsAre(1));
  EXPECT_FALSE(link_->connected());
  Answer({});
  EXPECT_TRUE(link_->connected());
}

TEST_F(RpcLinkTest, BatchesWhatQueuesDuringAWrite) {
  Start();
  Submit(1);
  Submit(2);
  Submit(3);
  ASSERT_THAT(wire_.frames, SizeIs(1));
  EXPECT_THAT(CallsOf(wire_.frames[0]), ElementsAre(1));
  Written();
  ASSERT_THAT(wire_.frames, SizeIs(2));
  EXPECT_THAT(CallsOf(wire_.frames[1]), ElementsAre(2, 3));
}

TEST_F(RpcLinkTest, AFrameTakesNoMoreThanItsSize) {
  Start();
  Submit(1);
  Submit(2, 10'000, 0, std::string(700'000, ' '));
  Submit(3, 10'000, 0, std::string(3'000'000, ' '));
  Submit(4);
  Written();
  Written();
  Written();
  ASSERT_THAT(wire_.frames, SizeIs(4));
  EXPECT_THAT(CallsOf(wire_.frames[1]), ElementsAre(2));
  EXPECT_THAT(CallsOf(wire_.frames[2]), ElementsAre(3));
  EXPECT_THAT(CallsOf(wire_.frames[3]), ElementsAre(4));
}

TEST_F(RpcLinkTest, SendsTheTimeThatIsLeft) {
  link_->Start();
  Submit(1, 5'000);
  clock_.AdvanceMillis(1'200);
  link_->OnUp();
  ASSERT_THAT(wire_.frames, SizeIs(1));
  EXPECT_EQ(wire_.frames[0].calls(0).timeout_ms(), 3'800);
}

TEST_F(RpcLinkTest, DoesNotSendWhatIsOutOfTime) {
  link_->Start();
  Submit(1, 1'000);
  clock_.AdvanceMillis(1'000);
  link_->OnUp();
  EXPECT_EQ(wire_.frames[0].calls_size(), 0);
  // Its thread ends it.
  EXPECT_THAT(dispatcher_.results, IsEmpty());
}

TEST_F(RpcLinkTest, DoesNotStartACallPastItsTtl) {
  link_->Start();
  Submit(1, 10'000, /*ttl_ms=*/500);
  clock_.AdvanceMillis(501);
  link_->OnUp();
  EXPECT_EQ(wire_.frames[0].calls_size(), 0);
  ExpectFailed(1, "RPC_TIMEOUT", "TTL_EXPIRED");
}

TEST_F(RpcLinkTest, HandsResultsToTheThreadOfTheCall) {
  Start();
  const uint64_t other = (uint64_t{3} << kCallThreadShift) + 1;
  Submit(1);
  Submit(other);
  Written();
  Answer({other, 1});
  ASSERT_THAT(dispatcher_.results, SizeIs(2));
  EXPECT_EQ(dispatcher_.results[0].first, 0u);
  EXPECT_EQ(dispatcher_.results[1].first, 3u);
  EXPECT_EQ(dispatcher_.results[1].second.call_id(), other);
}

TEST_F(RpcLinkTest, ABrokenStreamEndsWhatWasUnderWayAndRepeatsNothing) {
  Start();
  Submit(1);
  Submit(2);  // Waits for the write of 1.
  Down();
  ExpectFailed(1, "UNAVAILABLE", "OUTCOME_UNKNOWN");
  clock_.AdvanceMillis(100);
  link_->Tick();
  EXPECT_THAT(wire_.connects, ElementsAre(1, 2));
  link_->OnUp();
  ASSERT_THAT(wire_.frames, SizeIs(2));
  EXPECT_THAT(CallsOf(wire_.frames[1]), ElementsAre(2));
  // A result of a call that has ended is nobody's.
  Answer({1});
  EXPECT_THAT(dispatcher_.results, IsEmpty());
}

TEST_F(RpcLinkTest, WhatWaitsTooLongForTheServiceEnds) {
  link_->Start();
  Submit(1);
  clock_.AdvanceMillis(1'999);
  link_->Tick();
  EXPECT_THAT(dispatcher_.results, IsEmpty());
  clock_.AdvanceMillis(1);
  link_->Tick();
  ExpectFailed(1, "UNAVAILABLE", "NOT_STARTED");
}

TEST_F(RpcLinkTest, CancelsWhatWasSentAndForgetsWhatWasNot) {
  Start();
  Submit(1);
  Submit(2);
  link_->Cancel(2);
  link_->Cancel(1);
  link_->Cancel(1);
  Written();
  ASSERT_THAT(wire_.frames, SizeIs(2));
  EXPECT_EQ(wire_.frames[1].calls_size(), 0);
  EXPECT_THAT(wire_.frames[1].cancels(), ElementsAre(1));
  Answer({1, 2});
  EXPECT_THAT(dispatcher_.results, IsEmpty());
}

TEST_F(RpcLinkTest, RefusesWhatItCannotQueue) {
  Make({.edge_name = "", .max_queued_calls = 2, .max_queued_bytes = 1'000});
  link_->Start();
  EXPECT_FALSE(Submit(1, 1'000, 0, std::string(1'000, ' ')));
  EXPECT_TRUE(Submit(2));
  EXPECT_TRUE(Submit(3));
  EXPECT_FALSE(Submit(4));
  EXPECT_EQ(link_->counters().refused, 2);
  link_->Stop();
  EXPECT_FALSE(Submit(5));
}

TEST_F(RpcLinkTest, ReturnsCreditOnceItIsWorthAFrame) {
  Make({.edge_name = "", .credit_bytes = 800});
  Start();
  link_->Consume(99);
  EXPECT_THAT(wire_.frames, IsEmpty());
  link_->Consume(1);
  ASSERT_THAT(wire_.frames, SizeIs(1));
  EXPECT_EQ(wire_.frames[0].credit_bytes(), 100);
}

TEST_F(RpcLinkTest, ResultsThatNobodyWaitsForGiveTheirCreditBack) {
  Make({.edge_name = "", .credit_bytes = 16});
  Start();
  Answer({7});
  ASSERT_THAT(wire_.frames, SizeIs(1));
  EXPECT_GT(wire_.frames[0].credit_bytes(), 0);
}

TEST_F(RpcLinkTest, BeatsAndGivesUpASilentService) {
  Start();
  clock_.AdvanceMillis(2'000);
  link_->Tick();
  ASSERT_THAT(wire_.frames, SizeIs(1));
  EXPECT_TRUE(wire_.frames[0].beat());
  clock_.AdvanceMillis(6'000);
  link_->Tick();
  EXPECT_THAT(wire_.cancels, ElementsAre(1));
}

}  // namespace
}  // namespace covet::edge
