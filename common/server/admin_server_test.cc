#include "common/server/admin_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/server/ready_probe.h"

namespace covet::server {
namespace {

using boost::asio::ip::tcp;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

class AdminServerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto server = AdminServer::Start("127.0.0.1:0", {.metrics = [] { return "covet_x_total 1\n"; },
                                                     .unready = [this] { return unready_; }});
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
  }

  // Everything that comes back until the server closes.
  std::string Exchange(const std::string& text) {
    boost::asio::io_context io;
    tcp::socket socket(io);
    socket.connect(
        {boost::asio::ip::address_v4::loopback(), static_cast<uint16_t>(server_->port())});
    boost::system::error_code ignored;
    boost::asio::write(socket, boost::asio::buffer(text), ignored);
    std::string answer;
    boost::asio::read(socket, boost::asio::dynamic_buffer(answer), ignored);
    return answer;
  }
  std::string Get(const std::string& path) {
    return Exchange("GET " + path + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  }

  std::string unready_;
  std::unique_ptr<AdminServer> server_;
};

TEST_F(AdminServerTest, ServesMetricsHealthAndReadiness) {
  EXPECT_THAT(Get("/metrics"), StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(Get("/metrics"),
              HasSubstr("Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"));
  EXPECT_THAT(Get("/metrics?x=1"), EndsWith("\r\n\r\ncovet_x_total 1\n"));
  EXPECT_THAT(Get("/healthz"), EndsWith("\r\n\r\nok\n"));
  EXPECT_THAT(Get("/readyz"), StartsWith("HTTP/1.1 200 OK\r\n"));
}

TEST_F(AdminServerTest, SaysWhyItIsNotReady) {
  unready_ = "rooms";
  EXPECT_THAT(Get("/readyz"), StartsWith("HTTP/1.1 503 "));
  EXPECT_THAT(Get("/readyz"), EndsWith("not ready: rooms\n"));
  EXPECT_THAT(Get("/healthz"), StartsWith("HTTP/1.1 200 OK\r\n"));
}

TEST_F(AdminServerTest, IsProbedFromOutside) {
  const std::string listen = absl::StrCat("127.0.0.1:", server_->port());
  EXPECT_TRUE(ProbeReady(listen).ok());
  unready_ = "rooms";
  EXPECT_EQ(ProbeReady(listen), absl::UnavailableError("not ready: rooms"));
  server_.reset();
  EXPECT_EQ(ProbeReady(listen).code(), absl::StatusCode::kUnavailable);
}

TEST_F(AdminServerTest, AnyAddressIsProbedOnLoopback) {
  const auto any =
      AdminServer::Start("0.0.0.0:0", {.metrics = [] { return ""; }, .unready = [] { return ""; }});
  ASSERT_TRUE(any.ok()) << any.status();
  EXPECT_TRUE(ProbeReady(absl::StrCat("0.0.0.0:", (*any)->port())).ok());
}

TEST_F(AdminServerTest, RefusesOtherPathsAndMethods) {
  EXPECT_THAT(Get("/"), StartsWith("HTTP/1.1 404 "));
  EXPECT_THAT(Get("/metrics/"), StartsWith("HTTP/1.1 404 "));
  const std::string answer =
      Exchange("DELETE /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 405 "));
  EXPECT_THAT(answer, HasSubstr("Allow: GET, HEAD\r\n"));
}

TEST_F(AdminServerTest, HeadHasNoBody) {
  const std::string answer =
      Exchange("HEAD /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(answer, HasSubstr("Content-Length: 16\r\n"));
  EXPECT_THAT(answer, EndsWith("\r\n\r\n"));
}

TEST_F(AdminServerTest, AnswersSeveralRequestsOnOneConnection) {
  const std::string one = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
  const std::string last = "GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
  const std::string answer = Exchange(one + one + last);
  EXPECT_THAT(answer, HasSubstr("ok\nHTTP/1.1 200"));
  EXPECT_THAT(answer, EndsWith("ready\n"));
}

TEST_F(AdminServerTest, RefusesWhatIsNotHttpBodiesAndLongHeads) {
  EXPECT_THAT(Exchange("nonsense\r\n\r\n"), StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(Exchange("POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"),
              Not(StartsWith("HTTP/1.1 200")));
  EXPECT_THAT(
      Exchange("GET /metrics HTTP/1.1\r\nHost: x\r\nX: " + std::string(20000, 'x') + "\r\n\r\n"),
      StartsWith("HTTP/1.1 431 "));
  EXPECT_THAT(Get("/healthz"), StartsWith("HTTP/1.1 200 "));
}

TEST_F(AdminServerTest, ATakenPortIsUnavailable) {
  const auto second = AdminServer::Start("127.0.0.1:" + std::to_string(server_->port()), {});
  EXPECT_EQ(second.status().code(), absl::StatusCode::kUnavailable);
}

TEST_F(AdminServerTest, EndsWithConnectionsOpen) {
  boost::asio::io_context io;
  tcp::socket socket(io);
  socket.connect({boost::asio::ip::address_v4::loopback(), static_cast<uint16_t>(server_->port())});
  server_.reset();
  char byte;
  boost::system::error_code error;
  socket.read_some(boost::asio::buffer(&byte, 1), error);
  EXPECT_TRUE(error);
}

}  // namespace
}  // namespace covet::server
