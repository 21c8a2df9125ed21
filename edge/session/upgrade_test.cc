#include "edge/session/upgrade.h"

#include <string>
#include <vector>

#include "edge/session/testing/session_fixture.h"

namespace covet::edge {
namespace {

using testing::HasSubstr;
using testing::Not;

class UpgradeTest : public SessionFixture {
 protected:
  UpgradeDecision Decide(const std::string& target,
                         std::vector<std::pair<std::string_view, std::string_view>> headers = {}) {
    if (!upgrade_) upgrade_.emplace(*shared_, std::vector<SessionThread*>{thread_.get()});
    target_ = target;
    HttpRequest request;
    request.method = "GET";
    request.target = target_;
    request.headers = std::move(headers);
    request.remote_address = "192.0.2.1";
    return upgrade_->OnUpgrade(request);
  }
  UpgradeDecision DecideFor(const std::string& user) { return Decide("/ws?token=" + Token(user)); }

  static int StatusOf(const UpgradeDecision& decision) {
    return decision.refusal ? decision.refusal->status : 101;
  }
  static std::string RetryAfter(const UpgradeDecision& decision) {
    for (const auto& [name, value] : decision.refusal->headers) {
      if (name == "Retry-After") return value;
    }
    return "";
  }
  std::shared_ptr<ConnectionHandler> Connect(const UpgradeDecision& decision) {
    connection_ = FakeConnection();
    return decision.make_handler(connection_);
  }

  std::optional<SessionUpgrade> upgrade_;
  std::string target_;
};

TEST_F(UpgradeTest, AcceptsAGoodCredentialInEveryForm) {
  const std::string token = Token("u");
  const std::string bearer = "Bearer " + token;
  const std::string protocols = "covet.v1, bearer." + token;
  for (const auto& [target, headers, subprotocol] :
       {std::tuple<std::string, std::vector<std::pair<std::string_view, std::string_view>>,
                   std::string>{"/ws?token=" + token, {}, ""},
        {"/ws", {{"authorization", bearer}}, ""},
        {"/ws", {{"sec-websocket-protocol", protocols}}, "covet.v1"},
        {"/ws?token=" + token, {{"Authorization", bearer}}, ""}}) {
    const UpgradeDecision decision = Decide(target, headers);
    ASSERT_EQ(StatusOf(decision), 101);
    EXPECT_EQ(decision.subprotocol, subprotocol);
    const auto handler = Connect(decision);
    EXPECT_EQ(At(Take().text, "/data/user_id"), "u");
    handler->OnClosed(1000);
  }
}

TEST_F(UpgradeTest, TellsOfABadCredentialAfterTheUpgrade) {
  const std::string other = "Bearer " + Token("other");
  const std::string protocols = "covet.v1, bearer.nonsense";
  const std::vector<
      std::pair<std::string, std::vector<std::pair<std::string_view, std::string_view>>>>
      bad = {{"/ws", {}},
             {"/ws?token=nonsense", {}},
             {"/ws?api_key=a.b", {}},
             {"/ws?token=" + Token("u"), {{"Authorization", other}}},
             {"/ws", {{"Sec-WebSocket-Protocol", protocols}}}};
  for (const auto& [target, headers] : bad) {
    const UpgradeDecision decision = Decide(target, headers);
    ASSERT_EQ(StatusOf(decision), 101) << target;
    const auto handler = Connect(decision);
    ExpectError(Take(), "AUTH_FAILED", "");
    EXPECT_EQ(connection_.closed->first, 4501);
    handler->OnText(R"({"type":"heartbeat","id":"h"})");
    EXPECT_TRUE(connection_.sent.empty());
    handler->OnClosed(4501);
  }
  const auto handler = Connect(Decide("/ws?token=" + Token("u", -1)));
  ExpectError(Take(), "AUTH_EXPIRED", "");
  EXPECT_EQ(connection_.closed->first, 4401);
  EXPECT_TRUE(rooms_.identities.empty());
}

TEST_F(UpgradeTest, OtherPathsAreNotFound) {
  EXPECT_EQ(StatusOf(Decide("/wss")), 404);
  EXPECT_EQ(StatusOf(Decide("/")), 404);
  HttpRequest request;
  request.method = "GET";
  request.target = "/";
  EXPECT_EQ(upgrade_->OnRequest(request).status, 404);
  request.target = "/ws?x";
  EXPECT_EQ(upgrade_->OnRequest(request).status, 426);
  request.method = "POST";
  EXPECT_EQ(upgrade_->OnRequest(request).status, 405);
}

TEST_F(UpgradeTest, ChecksTheOriginWhereThereIsOne) {
  SessionSettings settings;
  settings.allowed_origins = {"https://app.example.com"};
  Restart(settings);
  const std::string target = "/ws?token=" + Token("u");
  EXPECT_EQ(StatusOf(Decide(target, {{"Origin", "https://app.example.com"}})), 101);
  EXPECT_EQ(StatusOf(Decide(target)), 101);
  EXPECT_EQ(StatusOf(Decide(target, {{"Origin", "https://evil.example.com"}})), 403);
  EXPECT_EQ(StatusOf(Decide(target, {{"Origin", "null"}})), 403);
}

TEST_F(UpgradeTest, ThrottlesAttempts) {
  limits::AttemptLimits attempts;
  attempts.valid = limits::Rate::Of(2, absl::Minutes(1));
  attempts.failed = limits::Rate::Of(1, absl::Minutes(1));
  Restart({}, attempts);
  EXPECT_EQ(StatusOf(DecideFor("a")), 101);
  EXPECT_EQ(StatusOf(DecideFor("a")), 101);
  const UpgradeDecision refused = DecideFor("a");
  EXPECT_EQ(StatusOf(refused), 429);
  EXPECT_EQ(RetryAfter(refused), "30");
  EXPECT_EQ(StatusOf(DecideFor("b")), 101);
  EXPECT_EQ(StatusOf(Decide("/ws")), 101);
  EXPECT_EQ(StatusOf(Decide("/ws")), 429);
}

TEST_F(UpgradeTest, RefusesBlockedAddresses) {
  limits::AttemptLimits attempts;
  attempts.blocked = *limits::NetworkList::Parse(std::vector<std::string>{"192.0.2.0/24"});
  Restart({}, attempts);
  EXPECT_EQ(StatusOf(DecideFor("a")), 403);
}

TEST_F(UpgradeTest, HoldsConnectionsToTheirNumber) {
  SessionSettings settings;
  settings.max_connections = 2;
  Restart(settings);
  const auto first = Connect(DecideFor("a"));
  // A decision holds its place until the connection has ended, or never began.
  std::optional<UpgradeDecision> second = DecideFor("b");
  const UpgradeDecision refused = DecideFor("c");
  EXPECT_EQ(StatusOf(refused), 503);
  EXPECT_EQ(RetryAfter(refused), "1");
  second.reset();
  EXPECT_EQ(StatusOf(DecideFor("c")), 101);
  const auto third = Connect(DecideFor("c"));
  EXPECT_EQ(StatusOf(DecideFor("d")), 503);
  third->OnClosed(1000);
  EXPECT_EQ(StatusOf(DecideFor("d")), 101);
  first->OnClosed(1000);
}

TEST_F(UpgradeTest, RefusesWhileDraining) {
  shared_->draining = true;
  const UpgradeDecision refused = DecideFor("a");
  EXPECT_EQ(StatusOf(refused), 503);
  EXPECT_EQ(RetryAfter(refused), "5");
}

TEST_F(UpgradeTest, NoSecretIsLogged) {
  const std::string token = Token("u");
  Connect(Decide("/ws?token=" + token))->OnClosed(1000);
  Connect(Decide("/ws?token=" + token + "x"))->OnClosed(4501);
  Connect(Decide("/ws?api_key=key.secret"))->OnClosed(4501);
  ASSERT_FALSE(log_.lines().empty());
  for (const std::string& line : log_.lines()) {
    EXPECT_THAT(line, Not(HasSubstr(token)));
    EXPECT_THAT(line, Not(HasSubstr("secret")));
  }
  EXPECT_THAT(log_.lines().front(), HasSubstr("\"connected\""));
}

}  // namespace
}  // namespace covet::edge
