#include "services/rpc/connection_tester.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <future>

namespace covet::rpc {
namespace {

// A port that takes connections and never says a word, as long as it lives.
class SilentServer {
 public:
  SilentServer() : socket_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(bind(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(listen(socket_, 64), 0);
    socklen_t size = sizeof address;
    getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size);
    database.parameters = {{"host", "127.0.0.1"},
                           {"port", std::to_string(ntohs(address.sin_port))},
                           {"dbname", "d"},
                           {"user", "u"}};
  }
  ~SilentServer() { Close(); }
  void Close() {
    if (socket_ >= 0) close(std::exchange(socket_, -1));
  }

  Database database;

 private:
  int socket_;
};

struct Outcome {
  std::promise<absl::StatusOr<double>> promise;
  ConnectionTester::Done Done() {
    return [this](absl::StatusOr<double> result) { promise.set_value(std::move(result)); };
  }
  absl::StatusOr<double> Get() { return promise.get_future().get(); }
};

TEST(ConnectionTesterTest, TellsWhyNobodyAnswers) {
  SilentServer server;
  server.Close();
  ConnectionTester tester({}, 1, SystemClock());
  Outcome outcome;
  ASSERT_NE(tester.Test(server.database, 10'000, outcome.Done()), nullptr);
  const auto result = outcome.Get();
  EXPECT_TRUE(absl::IsUnavailable(result.status())) << result.status();
  EXPECT_THAT(std::string(result.status().message()), testing::HasSubstr("refused"));
}

TEST(ConnectionTesterTest, GivesUpInTime) {
  SilentServer server;
  server.database.connect_timeout_ms = 50;
  ConnectionTester tester({}, 1, SystemClock());
  Outcome outcome;
  ASSERT_NE(tester.Test(server.database, 600'000, outcome.Done()), nullptr);
  const auto result = outcome.Get();
  EXPECT_TRUE(absl::IsDeadlineExceeded(result.status()));
  EXPECT_EQ(result.status().message(), "Connection timeout after 50 ms");
}

TEST(ConnectionTesterTest, IsCancelled) {
  SilentServer server;
  ConnectionTester tester({.max_running = 1}, 1, SystemClock());
  Outcome running, waiting;
  const auto first = tester.Test(server.database, 600'000, running.Done());
  const auto second = tester.Test(server.database, 600'000, waiting.Done());
  second->Cancel();
  first->Cancel();
  EXPECT_TRUE(absl::IsCancelled(running.Get().status()));
  EXPECT_TRUE(absl::IsCancelled(waiting.Get().status()));
}

TEST(ConnectionTesterTest, TellsWhoseTurnNeverCame) {
  SilentServer server;
  server.database.connect_timeout_ms = 600'000;
  Outcome running, waiting;
  ConnectionTester tester({.max_running = 1}, 1, SystemClock());
  tester.Test(server.database, 600'000, running.Done());
  tester.Test(server.database, 50, waiting.Done());
  EXPECT_TRUE(absl::IsResourceExhausted(waiting.Get().status()));
}

TEST(ConnectionTesterTest, ADatabaseThatHangsHoldsUpNoOther) {
  SilentServer hanging, other;
  hanging.database.connect_timeout_ms = 600'000;
  other.Close();
  Outcome hangs[9], refused;
  {
    ConnectionTester tester({}, 2, SystemClock());
    for (Outcome& each : hangs) tester.Test(hanging.database, 600'000, each.Done());
    tester.Test(other.database, 600'000, refused.Done());
    EXPECT_TRUE(absl::IsUnavailable(refused.Get().status()));
  }
  for (Outcome& each : hangs) EXPECT_TRUE(absl::IsCancelled(each.Get().status()));
}

TEST(ConnectionTesterTest, BoundsWhatWaitsForADatabase) {
  SilentServer server, another;
  Outcome outcomes[5];
  ConnectionTester tester({.max_running = 1, .max_waiting = 1}, 2, SystemClock());
  EXPECT_NE(tester.Test(server.database, 600'000, outcomes[0].Done()), nullptr);
  const auto waiting = tester.Test(server.database, 600'000, outcomes[1].Done());
  EXPECT_NE(waiting, nullptr);
  EXPECT_EQ(tester.Test(server.database, 600'000, outcomes[2].Done()), nullptr);
  EXPECT_NE(tester.Test(another.database, 600'000, outcomes[3].Done()), nullptr);
  // What was cancelled makes room.
  waiting->Cancel();
  EXPECT_NE(tester.Test(server.database, 600'000, outcomes[4].Done()), nullptr);
  EXPECT_TRUE(absl::IsCancelled(outcomes[1].Get().status()));
}

TEST(ConnectionTesterTest, EndsWithWhatRuns) {
  SilentServer server;
  Outcome first, second;
  {
    ConnectionTester tester({.max_running = 1}, 1, SystemClock());
    tester.Test(server.database, 600'000, first.Done());
    tester.Test(server.database, 600'000, second.Done());
  }
  EXPECT_TRUE(absl::IsCancelled(first.Get().status()));
  EXPECT_TRUE(absl::IsCancelled(second.Get().status()));
}

}  // namespace
}  // namespace covet::rpc
