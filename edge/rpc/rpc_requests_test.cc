#include "edge/rpc/rpc_requests.h"

#include <string>
#include <vector>

#include "edge/session/testing/session_fixture.h"

namespace covet::edge {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

class FakeRpcGateway final : public RpcGateway {
 public:
  struct Started {
    uint64_t call;
    std::string user_id;
    CallParams params;
    std::function<void(CallOutcome)> done;
  };

  uint64_t NextCall() override { return next_++; }
  bool Start(uint64_t call, CallParams params, std::function<void(CallOutcome)> done) override {
    if (full) return false;
    const std::string user_id = params.identity->user_id();
    started.push_back({call, user_id, std::move(params), std::move(done)});
    return true;
  }
  void Cancel(uint64_t call) override { cancelled.push_back(call); }

  bool full = false;
  std::vector<Started> started;
  std::vector<uint64_t> cancelled;

 private:
  uint64_t next_ = 1;
};

class RpcRequestsTest : public SessionFixture {
 protected:
  void Begin(const SessionSettings& settings = {}) {
    Restart(settings);
    thread_->router().Route<RpcCallMessage, RpcCancelMessage>(&requests_);
    OpenQuietly();
  }
  void Call(const std::string& id, const std::string& data = R"({"method":"a.b"})") {
    Text(R"({"type":"rpc_call","id":")" + id + R"(","data":)" + data + "}");
  }
  void Cancel(const std::string& id) {
    Text(R"({"type":"rpc_cancel","id":"x","data":{"call_id":")" + id + R"("}})");
  }
  void ExpectRpcError(const std::string& id, const std::string& code, const std::string& reason) {
    const std::string text = Take().text;
    EXPECT_EQ(At(text, "/type"), "rpc_error") << text;
    EXPECT_EQ(At(text, "/id"), id);
    EXPECT_EQ(At(text, "/metadata/in_reply_to"), id);
    EXPECT_EQ(At(text, "/data/error/code"), code);
    EXPECT_EQ(At(text, "/data/error/details/reason"), reason);
  }

  FakeRpcGateway gateway_;
  RpcRequests requests_{gateway_};
};

TEST_F(RpcRequestsTest, CallsAndAnswers) {
  Begin();
  Text(R"({"type":"rpc_call","id":"c","data":{"method":"a.b","params":{"n": 12345678901234567890},
       "timeout":500},"metadata":{"correlation_id":"corr","ttl":70,"priority":"high"}})");
  ASSERT_THAT(gateway_.started, SizeIs(1));
  const CallParams& params = gateway_.started[0].params;
  EXPECT_EQ(gateway_.started[0].user_id, "user_1");
  EXPECT_EQ(params.method, "a.b");
  EXPECT_EQ(params.params, R"({"n": 12345678901234567890})");
  EXPECT_EQ(params.correlation_id, "corr");
  EXPECT_EQ(params.timeout_ms, 500);
  EXPECT_EQ(params.ttl_ms, 70);
  gateway_.started[0].done({.code = "", .message = "", .json = R"({"big":12345678901234567890})"});
  const FakeConnection::Sent sent = Take();
  EXPECT_EQ(At(sent.text, "/type"), "rpc_response");
  EXPECT_EQ(At(sent.text, "/id"), "c");
  EXPECT_EQ(At(sent.text, "/metadata/correlation_id"), "corr");
  EXPECT_THAT(sent.text, testing::HasSubstr(R"("result":{"big":12345678901234567890})"));
  EXPECT_EQ(sent.lane, Lane::kReply);
  EXPECT_EQ(sent.priority, Priority::kHigh);
  // The id may come again.
  Call("c");
  EXPECT_THAT(gateway_.started, SizeIs(2));
}

TEST_F(RpcRequestsTest, ErrorsKeepTheirCodeAndDetails) {
  Begin();
  Call("c");
  gateway_.started[0].done({.code = "CONNECTION_FAILED",
                            .message = "Failed to connect to database",
                            .json = R"({"host":"db","port":5432})"});
  const std::string text = Take().text;
  EXPECT_EQ(At(text, "/type"), "rpc_error");
  EXPECT_EQ(At(text, "/data/error/code"), "CONNECTION_FAILED");
  EXPECT_EQ(At(text, "/data/error/message"), "Failed to connect to database");
  EXPECT_EQ(At(text, "/data/error/details/port"), "5432");
  EXPECT_EQ(At(text, "/data/error/recoverable"), "");
}

TEST_F(RpcRequestsTest, CallsRunSideBySideUpToTheLimit) {
  SessionSettings settings;
  settings.calls_per_connection = 2;
  Begin(settings);
  Call("1");
  Call("2");
  Call("3");
  ExpectRpcError("3", "UNAVAILABLE", "TOO_MANY");
  gateway_.started[0].done({});
  Take();
  Call("4");
  EXPECT_THAT(gateway_.started, SizeIs(3));
}

TEST_F(RpcRequestsTest, CallsDoNotHoldUpReading) {
  SessionSettings settings;
  settings.calls_per_connection = 200;
  settings.messages = settings.rpc_calls = limits::Rate::Unlimited();
  Begin(settings);
  for (int i = 0; i < 200; ++i) Call(std::to_string(i));
  EXPECT_THAT(gateway_.started, SizeIs(200));
  EXPECT_FALSE(connection_.paused);
}

TEST_F(RpcRequestsTest, CancelEndsTheCallAtOnce) {
  Begin();
  Call("c");
  Cancel("c");
  EXPECT_THAT(gateway_.cancelled, ElementsAre(1));
  ExpectRpcError("c", "CANCELLED", "");
  Cancel("c");
  EXPECT_THAT(connection_.sent, IsEmpty());
  // Only calls are cancelled so.
  Join("r", "j");
  Cancel("j");
  EXPECT_THAT(connection_.sent, IsEmpty());
  EXPECT_THAT(gateway_.cancelled, SizeIs(1));
}

TEST_F(RpcRequestsTest, AClosingConnectionCancels) {
  Begin();
  Call("a");
  Call("b");
  session_->OnClosed(1006);
  EXPECT_THAT(gateway_.cancelled, testing::UnorderedElementsAre(1, 2));
}

TEST_F(RpcRequestsTest, RefusedWhereTheServiceTakesNoMore) {
  Begin();
  gateway_.full = true;
  Call("c");
  ExpectRpcError("c", "UNAVAILABLE", "OVERLOADED");
  gateway_.full = false;
  Call("c");
  EXPECT_THAT(gateway_.started, SizeIs(1));
}

TEST_F(RpcRequestsTest, ResultsOverTheLimitBecomeErrors) {
  SessionSettings settings;
  settings.limits.rpc_result_bytes = 10;
  Begin(settings);
  Call("a");
  Call("b");
  gateway_.started[0].done({.code = "", .message = "", .json = R"({"a":1234})"});
  EXPECT_EQ(At(Take().text, "/data/result/a"), "1234");
  gateway_.started[1].done({.code = "", .message = "", .json = R"({"a":12345})"});
  ExpectRpcError("b", "MESSAGE_TOO_LARGE", "");
}

TEST_F(RpcRequestsTest, ResultsWaitForAClientThatReadsSlowly) {
  SessionSettings settings;
  settings.limits.outbound_queue_bytes = 1'000;
  settings.calls_per_connection = 3;
  Begin(settings);
  Call("a");
  Call("b");
  Call("c");
  connection_.queued = 501;
  for (auto& started : gateway_.started) started.done({.code = "", .message = "", .json = "{}"});
  EXPECT_THAT(connection_.sent, IsEmpty());
  // They still count.
  Call("d");
  ExpectRpcError("d", "UNAVAILABLE", "TOO_MANY");
  Cancel("b");
  ExpectRpcError("b", "CANCELLED", "");
  session_->OnDrained();
  EXPECT_THAT(connection_.sent, IsEmpty());
  connection_.queued = 0;
  session_->OnDrained();
  EXPECT_EQ(At(Take().text, "/id"), "a");
  EXPECT_EQ(At(Take().text, "/id"), "c");
  EXPECT_THAT(connection_.sent, IsEmpty());
}

TEST_F(RpcRequestsTest, AnIdInUseIsAConflict) {
  Begin();
  Call("c");
  Call("c");
  ExpectRpcError("c", "CONFLICT", "");
  EXPECT_THAT(gateway_.started, SizeIs(1));
}

}  // namespace
}  // namespace covet::edge
