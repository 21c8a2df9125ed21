#include "edge/streams/thread_streams.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/base/manual_clock.h"
#include "common/errors/error.h"
#include "common/logging/log.h"
#include "edge/session/testing/fake_connection.h"

namespace covet::edge {
namespace {

using streams::v1::SubscribeResponse;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

// Keeps what it is asked until the test answers.
class FakeWire final : public StreamWire {
 public:
  struct Opened {
    streams::v1::SubscribeRequest request;
    std::string identity;
    int reads = 1;
    bool cancelled = false;
  };
  void Open(uint64_t stream, streams::v1::SubscribeRequest request,
            const std::string& identity) override {
    streams[stream] = {std::move(request), identity};
  }
  void ReadOn(uint64_t stream) override { ++streams[stream].reads; }
  void Cancel(uint64_t stream) override { streams[stream].cancelled = true; }
  void Read(streams::v1::GetHistoryRequest request, const std::string& /*identity*/,
            std::function<void(absl::Status, streams::v1::GetHistoryResponse)> done) override {
    reads.emplace_back(std::move(request), std::move(done));
  }

  std::map<uint64_t, Opened> streams;
  std::vector<std::pair<streams::v1::GetHistoryRequest,
                        std::function<void(absl::Status, streams::v1::GetHistoryResponse)>>>
      reads;
};

class Subscriber final : public StreamSubscriber {
 public:
  Connection& connection() override { return fake; }
  void OnUnsubscribed(const std::string& id, const std::string& reason) override {
    ended.emplace_back(id, reason);
  }
  std::vector<std::string> Take() {
    std::vector<std::string> texts;
    for (FakeConnection::Sent& sent : fake.sent) texts.push_back(std::move(sent.text));
    fake.sent.clear();
    return texts;
  }

  FakeConnection fake;
  std::vector<std::pair<std::string, std::string>> ended;
};

class ThreadStreamsTest : public testing::Test, public StreamDispatcher {
 protected:
  ThreadStreamsTest() {
    for (uint32_t i = 0; i < 2; ++i) {
      threads_.push_back(std::make_unique<ThreadStreams>(i, StreamHubLimits{}, clock_, ids_,
                                                         policy_, client_, [](int64_t) {}));
    }
  }

  static std::shared_ptr<const policy::Policy> PolicyFor(const std::string& pattern) {
    policy::Role role;
    role.name = "reader";
    role.grants.emplace_back();
    role.grants.back().set_action("stream:read");
    role.grants.back().set_pattern(pattern);
    return std::make_shared<const policy::Policy>(*policy::Policy::Compile({role}));
  }
  static common::v1::Identity User(const std::string& session) {
    common::v1::Identity identity;
    identity.set_user_id("user");
    identity.set_session_id(session);
    identity.add_roles("reader");
    return identity;
  }
  static SubscribeParams Params(const std::string& id, int32_t interval = 0) {
    SubscribeParams params;
    params.subscription_id = id;
    params.stream_type = streams::v1::STREAM_TYPE_EVENTS;
    params.resource_id = "r";
    params.batch_interval_ms = interval;
    return params;
  }

  // Dispatched items run when the test says so.
  void Dispatch(uint32_t thread, StreamItemPtr item) override {
    items_.emplace_back(thread, std::move(item));
  }
  void RunItems() {
    while (!items_.empty()) {
      const auto [thread, item] = std::move(items_.front());
      items_.pop_front();
      threads_[thread]->OnItem(*item);
    }
  }
  // The reader's answer, once there is one.
  std::shared_ptr<std::optional<SubscribeResult>> Subscribe(Subscriber& subscriber,
                                                            SubscribeParams params,
                                                            const std::string& session = "s",
                                                            size_t thread = 0) {
    auto answer = std::make_shared<std::optional<SubscribeResult>>();
    threads_[thread]->Subscribe(User(session), &subscriber, std::move(params),
                                [answer](SubscribeResult result) { *answer = std::move(result); });
    return answer;
  }
  uint64_t Stream() const { return wire_.streams.rbegin()->first; }
  void Opened(int64_t offset, const std::string& epoch = "e", bool recovered = false) {
    SubscribeResponse message;
    message.mutable_opened()->set_epoch(epoch);
    message.mutable_opened()->set_offset(offset);
    message.mutable_opened()->set_recovered(recovered);
    client_.OnMessage(Stream(), std::move(message));
    RunItems();
  }
  // Those up to `short_lived` live for 500 ms.
  void Records(int64_t first, int64_t last, int64_t short_lived = 0) {
    SubscribeResponse message;
    message.mutable_batch()->set_first_offset(first);
    message.mutable_batch()->set_last_offset(last);
    for (int64_t n = first; n <= last; ++n) {
      streams::v1::Record& record = *message.mutable_batch()->add_records();
      record.set_offset(n);
      record.mutable_payload()->set_json("{\"n\":" + std::to_string(n) + "}");
      if (n <= short_lived) record.mutable_ttl()->set_nanos(500'000'000);
    }
    client_.OnMessage(Stream(), std::move(message));
  }
  std::string ReasonOf(const std::shared_ptr<std::optional<SubscribeResult>>& answer) {
    if (!answer->has_value() || (*answer)->status.ok()) return "";
    return DetailsOf((*answer)->status)["reason"];
  }
  void Tick(int64_t ms) {
    clock_.AdvanceMillis(ms);
    client_.Tick();
    RunItems();
    for (const auto& thread : threads_) {
      thread->OnTimer();
      thread->Tick();
    }
  }

  const log::Capture quiet_;
  ManualClock clock_;
  SeededIds ids_{1};
  policy::PolicyStore policy_{PolicyFor("events:*")};
  FakeWire wire_;
  StreamClient client_{StreamClientOptions{}, clock_, wire_, *this};
  std::deque<std::pair<uint32_t, StreamItemPtr>> items_;
  std::vector<std::unique_ptr<ThreadStreams>> threads_;
};

TEST_F(ThreadStreamsTest, ThreadsAndReadersShareOneUpstream) {
  Subscriber a, b, c;
  const auto first = Subscribe(a, Params("1"), "a", 0);
  const auto second = Subscribe(b, Params("1"), "b", 1);
  EXPECT_FALSE(first->has_value());
  Opened(7);
  ASSERT_TRUE(first->has_value() && second->has_value());
  EXPECT_EQ((*first)->offset, 7);
  EXPECT_EQ((*first)->epoch, "e");
  Records(8, 9);
  RunItems();
  const auto third = Subscribe(c, Params("1"), "c", 0);
  EXPECT_EQ((*third)->offset, 9);
  EXPECT_THAT(a.Take(), SizeIs(2));
  EXPECT_THAT(b.Take(), SizeIs(2));
  EXPECT_THAT(c.Take(), IsEmpty());
  EXPECT_THAT(wire_.streams, SizeIs(1));
  EXPECT_FALSE(wire_.streams.begin()->second.request.has_resume());
}

TEST_F(ThreadStreamsTest, AnUpstreamEndsSomeTimeAfterItsLastReader) {
  Subscriber a;
  Subscribe(a, Params("1"));
  Opened(0);
  threads_[0]->CloseSession("s");
  Tick(9'999);
  EXPECT_FALSE(wire_.streams.begin()->second.cancelled);
  Subscribe(a, Params("1"));
  RunItems();
  Tick(20'000);
  EXPECT_FALSE(wire_.streams.begin()->second.cancelled);
  EXPECT_TRUE(threads_[0]->Unsubscribe("s", "1"));
  EXPECT_FALSE(threads_[0]->Unsubscribe("s", "1"));
  Tick(10'000);
  EXPECT_TRUE(wire_.streams.begin()->second.cancelled);
  EXPECT_EQ(client_.counters().upstreams, 0);
}

TEST_F(ThreadStreamsTest, WhatThreadsHaveNotTakenInHoldsTheServiceBack) {
  Subscriber a;
  Subscribe(a, Params("1"));
  Opened(0);
  const FakeWire::Opened& stream = wire_.streams.begin()->second;
  EXPECT_EQ(stream.reads, 2);
  for (int n = 1; n <= 4; ++n) Records(n, n);
  // Four are held: no more is read.
  EXPECT_EQ(stream.reads, 5);
  RunItems();
  EXPECT_EQ(stream.reads, 6);
  EXPECT_THAT(a.Take(), SizeIs(4));
}

TEST_F(ThreadStreamsTest, AfterABreakTheUpstreamGoesOnUnseen) {
  Subscriber a;
  Subscribe(a, Params("1"));
  Opened(5);
  Records(6, 6);
  RunItems();
  client_.OnDown(Stream(), absl::UnavailableError("cut"));
  Tick(100);
  ASSERT_THAT(wire_.streams, SizeIs(2));
  EXPECT_EQ(wire_.streams.rbegin()->second.request.resume().offset(), 6);
  EXPECT_EQ(wire_.streams.rbegin()->second.request.resume().epoch(), "e");
  Opened(9, "e", /*recovered=*/true);
  Records(7, 9);
  RunItems();
  EXPECT_THAT(a.Take(), SizeIs(4));
  EXPECT_THAT(a.ended, IsEmpty());
}

TEST_F(ThreadStreamsTest, WhatCannotGoOnWithoutLossIsReset) {
  Subscriber a;
  Subscribe(a, Params("1"));
  Opened(5);
  client_.OnDown(Stream(), absl::UnavailableError("cut"));
  Tick(100);
  Opened(9, "other", false);
  ASSERT_THAT(a.ended, SizeIs(1));
  EXPECT_EQ(a.ended[0], std::make_pair(std::string("1"), std::string("reset")));
  EXPECT_FALSE(threads_[0]->Unsubscribe("s", "1"));
}

// A page that is not answered says nothing of the log.
TEST_F(ThreadStreamsTest, AReaderThatCatchesUpAsksAgainUntilItIsAnswered) {
  Subscriber a;
  Subscribe(a, Params("1"), "other");
  Opened(9);
  Subscriber b;
  SubscribeParams params = Params("1");
  params.history = 5;
  Subscribe(b, params);
  for (const absl::Status& failed :
       {absl::UnavailableError(""), absl::DeadlineExceededError(""), absl::CancelledError(""),
        absl::ResourceExhaustedError(""), absl::InternalError(""), absl::UnknownError("")}) {
    const size_t asked = wire_.reads.size();
    ASSERT_GT(asked, 0u);
    EXPECT_EQ(wire_.reads.back().first.after_offset(), 4);
    wire_.reads.back().second(failed, {});
    RunItems();
    EXPECT_THAT(b.ended, IsEmpty()) << failed;
    Tick(1'000);
    ASSERT_EQ(wire_.reads.size(), asked + 1) << failed;
  }
  streams::v1::GetHistoryResponse page;
  page.set_epoch("e");
  page.set_first_offset(1);
  page.set_head_offset(9);
  page.set_last_offset(9);
  for (int n = 5; n <= 9; ++n) {
    page.add_records()->set_offset(n);
    page.mutable_records()->rbegin()->mutable_payload()->set_json("{}");
  }
  wire_.reads.back().second(absl::OkStatus(), page);
  RunItems();
  EXPECT_THAT(b.Take(), testing::ElementsAre(HasSubstr(R"("first_offset":5,"last_offset":9)")));
  EXPECT_THAT(b.ended, IsEmpty());
}

TEST_F(ThreadStreamsTest, AReaderThatCatchesUpIsResetOnceTheLogIsAnother) {
  Subscriber a;
  Subscribe(a, Params("1"), "other");
  Opened(9);
  Subscriber b;
  SubscribeParams params = Params("1");
  params.history = 5;
  Subscribe(b, params);
  ASSERT_THAT(wire_.reads, SizeIs(1));
  wire_.reads.back().second(MakeError(ErrorCode::kEpochChanged, "another log"), {});
  RunItems();
  EXPECT_THAT(b.ended, SizeIs(1));
  EXPECT_THAT(a.ended, IsEmpty());
}

TEST_F(ThreadStreamsTest, Refusals) {
  Subscriber a;
  const auto missing = Subscribe(a, Params("1"));
  client_.OnDown(Stream(), MakeError(ErrorCode::kNotFound, "no such resource"));
  RunItems();
  EXPECT_EQ(ReasonOf(missing), "RESOURCE_NOT_FOUND");
  const auto away = Subscribe(a, Params("1"));
  client_.OnDown(Stream(), absl::UnavailableError("away"));
  Tick(1'999);
  EXPECT_FALSE(away->has_value());
  client_.OnDown(Stream(), absl::UnavailableError("away"));
  Tick(1);
  EXPECT_EQ(ReasonOf(away), "SOURCE_DOWN");
  const auto silent = Subscribe(a, Params("1"));
  Tick(9'999);
  EXPECT_FALSE(silent->has_value());
  Tick(1);
  EXPECT_EQ(ReasonOf(silent), "SOURCE_DOWN");
  SubscribeParams params = Params("1");
  params.resource_id = "r2";
  params.stream_type = streams::v1::STREAM_TYPE_LOGS;
  const auto denied = Subscribe(a, params);
  EXPECT_EQ(CodeOf((*denied)->status), ErrorCode::kPermissionDenied);
  Subscribe(a, Params("1"));
  params = Params("2");
  params.max_subscriptions = 1;
  EXPECT_EQ(ReasonOf(Subscribe(a, params)), "TOO_MANY");
}

TEST_F(ThreadStreamsTest, ADropIsToldByTheNextFrameWhichThereAlwaysIs) {
  Subscriber a;
  SubscribeParams params = Params("1");
  params.buffer_size = 2;
  Subscribe(a, params);
  Opened(0);
  a.fake.next_result = SendResult::kBackpressure;
  Records(1, 8);
  RunItems();
  EXPECT_THAT(a.Take(), SizeIs(1));
  a.fake.next_result = SendResult::kQueued;
  threads_[0]->OnDrained("s");
  const std::vector<FakeConnection::Sent> sent = a.fake.sent;
  ASSERT_THAT(sent, SizeIs(2));
  EXPECT_THAT(sent[0].text, HasSubstr("\"first_offset\":7,\"last_offset\":7"));
  EXPECT_THAT(a.fake.heads[1], HasSubstr("\"subscription_id\":\"1\",\"dropped\":5,"));
  EXPECT_EQ(a.fake.heads[2], "\"subscription_id\":\"1\",");
  EXPECT_EQ(threads_[0]->stream_counters().records_dropped, 5);
}

TEST_F(ThreadStreamsTest, ARecordPastItsTimeLeavesItsBatch) {
  Subscriber a;
  Subscribe(a, Params("1", 1'000));
  Opened(0);
  Records(1, 2, /*short_lived=*/1);
  RunItems();
  Tick(1'000);
  std::vector<std::string> sent = a.Take();
  ASSERT_THAT(sent, SizeIs(1));
  EXPECT_THAT(sent[0], HasSubstr("\"first_offset\":1,\"last_offset\":2"));
  EXPECT_THAT(sent[0], HasSubstr("[{\"n\":2}]"));
  // A batch of which nothing is left is as one that nothing matched.
  Records(3, 4, /*short_lived=*/4);
  RunItems();
  Tick(1'000);
  EXPECT_THAT(a.Take(), IsEmpty());
  Records(5, 5);
  RunItems();
  Tick(1'000);
  sent = a.Take();
  ASSERT_THAT(sent, SizeIs(1));
  EXPECT_THAT(sent[0], HasSubstr("\"first_offset\":3,\"last_offset\":5"));
}

TEST_F(ThreadStreamsTest, ARecordPastItsTimeIsNotSentToASlowReader) {
  Subscriber a;
  Subscribe(a, Params("1", 50));
  Opened(0);
  a.fake.next_result = SendResult::kBackpressure;
  Records(1, 1);
  RunItems();
  Tick(50);
  EXPECT_THAT(a.Take(), SizeIs(1));
  Records(2, 3, /*short_lived=*/2);
  RunItems();
  Tick(50);
  Records(4, 4, /*short_lived=*/4);
  RunItems();
  Tick(50);
  a.fake.next_result = SendResult::kQueued;
  Tick(449);
  threads_[0]->OnDrained("s");
  const std::vector<std::string> sent = a.Take();
  ASSERT_THAT(sent, SizeIs(2));
  EXPECT_THAT(sent[0], HasSubstr("\"first_offset\":2,\"last_offset\":3"));
  EXPECT_THAT(sent[0], HasSubstr("[{\"n\":3}]"));
  // In time, though only just; the connection drops it if it waits there.
  EXPECT_THAT(sent[1], HasSubstr("[{\"n\":4}]"));
}

TEST_F(ThreadStreamsTest, AChangedPolicyEndsWhatItNoLongerAllows) {
  Subscriber a;
  Subscribe(a, Params("1"));
  Opened(0);
  policy_.Set(PolicyFor("metrics:*"));
  Tick(1'000);
  ASSERT_THAT(a.ended, SizeIs(1));
  EXPECT_EQ(a.ended[0].second, "permission_revoked");
}

TEST_F(ThreadStreamsTest, AStreamOfEachUserIsOpenedInTheUsersName) {
  Subscriber a, b;
  const auto first = Subscribe(a, Params("1"), "a");
  EXPECT_THAT(wire_.streams.rbegin()->second.identity, IsEmpty());
  SubscribeResponse closed;
  closed.mutable_closed()->set_reason("per_user");
  client_.OnMessage(Stream(), std::move(closed));
  RunItems();
  common::v1::Identity identity;
  ASSERT_TRUE(identity.ParseFromString(wire_.streams.rbegin()->second.identity));
  EXPECT_EQ(identity.user_id(), "user");
  EXPECT_THAT(identity.session_id(), IsEmpty());
  Opened(3);
  EXPECT_EQ((*first)->offset, 3);
  // The user's other sessions share it.
  const auto second = Subscribe(b, Params("1"), "b");
  EXPECT_EQ((*second)->offset, 3);
  EXPECT_THAT(wire_.streams, SizeIs(2));
  // Until they have other roles: what the backend was told holds no longer.
  identity = User("a");
  identity.add_roles("more");
  threads_[0]->RenewSession(identity);
  ASSERT_THAT(a.ended, SizeIs(1));
  EXPECT_EQ(a.ended[0].second, "reset");
  threads_[0]->RenewSession(User("b"));
  EXPECT_THAT(b.ended, IsEmpty());
  SubscribeResponse revoked;
  revoked.mutable_closed()->set_reason("permission_revoked");
  client_.OnMessage(Stream(), std::move(revoked));
  RunItems();
  ASSERT_THAT(b.ended, SizeIs(1));
  EXPECT_EQ(b.ended[0].second, "permission_revoked");
}

}  // namespace
}  // namespace covet::edge
