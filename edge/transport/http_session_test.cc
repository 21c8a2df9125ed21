#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <string>
#include <thread>

#include "edge/transport/testing/raw_client.h"
#include "edge/transport/testing/test_server.h"

namespace covet::edge {
namespace {

int StatusOf(const std::string& head) {
  return head.size() > 12 ? std::stoi(head.substr(9, 3)) : 0;
}

std::string Request(std::string_view line, std::string_view headers = "") {
  return std::string(line) + " HTTP/1.1\r\nHost: localhost\r\n" + std::string(headers) + "\r\n";
}

TEST(HttpSessionTest, AnswersPlainRequestsAndKeepsTheConnection) {
  TestServer server;
  RawClient client;
  ASSERT_TRUE(client.Connect(server.port()));
  ASSERT_TRUE(client.Write(Request("GET /hello")));
  const std::string head = client.ReadHead();
  EXPECT_EQ(StatusOf(head), 200);
  EXPECT_NE(head.find("X-Test: yes\r\n"), std::string::npos);
  EXPECT_NE(head.find("Content-Length: 5\r\n"), std::string::npos);
  EXPECT_NE(head.find("Connection: keep-alive\r\n"), std::string::npos);
  EXPECT_EQ(client.ReadBytes(5), "hello");
  // Two at once, then one without a body.
  ASSERT_TRUE(client.Write(Request("GET /nothing") + Request("GET /hello")));
  EXPECT_EQ(StatusOf(client.ReadHead()), 404);
  EXPECT_EQ(client.ReadBytes(12), "no such page");
  EXPECT_EQ(StatusOf(client.ReadHead()), 200);
  EXPECT_EQ(client.ReadBytes(5), "hello");
  ASSERT_TRUE(client.Write(Request("HEAD /hello", "Connection: close\r\n")));
  EXPECT_NE(client.ReadHead().find("Content-Length: 5\r\n"), std::string::npos);
  EXPECT_EQ(client.ReadToEnd(), "");
  EXPECT_EQ(server.Total(&TransportCounters::http_requests), 4u);
}

TEST(HttpSessionTest, ARequestMayComeByteByByte) {
  TestServer server;
  RawClient client;
  ASSERT_TRUE(client.Connect(server.port()));
  for (const char byte : Request("GET /hello"))
    ASSERT_TRUE(client.Write(std::string_view(&byte, 1)));
  EXPECT_EQ(StatusOf(client.ReadHead()), 200);
}

TEST(HttpSessionTest, ARequestWithABodyIsAnsweredAndTheConnectionClosed) {
  TestServer server;
  for (const char* header : {"Content-Length: 100000\r\n", "Transfer-Encoding: chunked\r\n"}) {
    RawClient client;
    ASSERT_TRUE(client.Connect(server.port()));
    ASSERT_TRUE(client.Write(Request("POST /hello", header) + std::string(50000, 'b')));
    const std::string all = client.ReadToEnd();
    EXPECT_EQ(StatusOf(all), 200);
    EXPECT_NE(all.find("Connection: close\r\n"), std::string::npos);
    EXPECT_EQ(all.substr(all.size() - 5), "hello");
  }
}

TEST(HttpSessionTest, WhatIsNotHttpIsRefused) {
  TestServer server;
  for (const std::string& bytes :
       {std::string("\x16\x03\x01\x02\x00\x01\r\n\r\n", 10), std::string("nonsense\r\n\r\n"),
        std::string("GET / HTTP/1.1\r\n\r\n"), std::string("GET / HTTP/9.9\r\nHost: a\r\n\r\n"),
        std::string("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"),
        std::string("GET / HTTP/1.1\r\nHost: a\r\nbad header\r\n\r\n")}) {
    RawClient client;
    ASSERT_TRUE(client.Connect(server.port()));
    ASSERT_TRUE(client.Write(bytes));
    EXPECT_EQ(StatusOf(client.ReadToEnd()), 400) << bytes;
  }
  EXPECT_EQ(server.Total(&TransportCounters::handshake_failures), 6u);
}

TEST(HttpSessionTest, HeadersAreBounded) {
  TransportOptions options = TestServer::Options();
  options.max_header_bytes = 8192;
  TestServer server(options);
  const std::string fits = Request("GET /hello", "X: " + std::string(8000, 'x') + "\r\n");
  RawClient client;
  ASSERT_TRUE(client.Connect(server.port()));
  ASSERT_TRUE(client.Write(fits));
  EXPECT_EQ(StatusOf(client.ReadHead()), 200);
  RawClient greedy;
  ASSERT_TRUE(greedy.Connect(server.port()));
  ASSERT_TRUE(greedy.Write(Request("GET /hello", "X: " + std::string(100000, 'x') + "\r\n")));
  EXPECT_EQ(StatusOf(greedy.ReadToEnd()), 431);
}

TEST(HttpSessionTest, ASlowHeaderIsCutOffHoweverItDrips) {
  TransportOptions options = TestServer::Options();
  options.handshake_timeout_ms = 100;
  options.max_header_bytes = 256 << 20;
  TestServer server(options);
  RawClient client;
  ASSERT_TRUE(client.Connect(server.port()));
  ASSERT_TRUE(client.Write("GET /hello HTTP/1.1\r\n"));
  // Says one more byte of header for as long as it is listened to.
  while (client.Write("x")) {
    if (server.Total(&TransportCounters::handshake_failures) > 0) break;
  }
  EXPECT_EQ(StatusOf(client.ReadToEnd()), 408);
  RawClient silent;
  ASSERT_TRUE(silent.Connect(server.port()));
  EXPECT_EQ(silent.ReadToEnd(), "");
}

TEST(HttpSessionTest, AKeptConnectionIsNotKeptForEver) {
  TransportOptions options = TestServer::Options();
  options.http_keep_alive_timeout_ms = 100;
  TestServer server(options);
  RawClient client;
  ASSERT_TRUE(client.Connect(server.port()));
  ASSERT_TRUE(client.Write(Request("GET /hello")));
  EXPECT_EQ(StatusOf(client.ReadToEnd()), 200);
}

// A body of so many pieces, each asked for one by one; a negative number breaks off behind them.
class Pieces final : public HttpBody {
 public:
  Pieces(EdgeThread& thread, int count, size_t size, std::atomic<int>* asked,
         std::atomic<int>* cancelled)
      : thread_(thread),
        left_(std::abs(count)),
        breaks_(count < 0),
        size_(size),
        asked_(asked),
        cancelled_(cancelled) {}

  void Next(std::function<void(std::optional<std::string>)> done) override {
    ++*asked_;
    if (left_ == 0 && breaks_) return thread_.Post([done = std::move(done)] { done({}); });
    --left_;
    thread_.Post([done = std::move(done), piece = std::string(size_, 'p')] { done(piece); });
  }
  void Cancel() override { ++*cancelled_; }

 private:
  EdgeThread& thread_;
  int left_;
  const bool breaks_;
  const size_t size_;
  std::atomic<int>* const asked_;
  std::atomic<int>* const cancelled_;
};

class Later final : public HttpPending {
 public:
  Later(EdgeThread& thread, HttpResponse response)
      : thread_(thread), response_(std::move(response)) {}
  void Start(std::function<void(HttpResponse)> done) override {
    thread_.Post([done = std::move(done), response = response_] { done(response); });
  }
  void Cancel() override {}

 private:
  EdgeThread& thread_;
  const HttpResponse response_;
};

struct StreamingServer {
  explicit StreamingServer(int pieces, size_t size,
                           TransportOptions options = TestServer::Options())
      : server(std::move(options)) {
    server.on_request = [this, pieces, size](const HttpRequest& request) {
      EdgeThread& thread = server.transport().thread(request.thread_index);
      HttpResponse body;
      body.content_length = static_cast<int64_t>(size) * std::max(pieces, 3);
      body.stream = std::make_shared<Pieces>(thread, pieces, size, &asked, &cancelled);
      HttpResponse response;
      response.pending = std::make_shared<Later>(thread, std::move(body));
      return response;
    };
  }

  std::atomic<int> asked{0};
  std::atomic<int> cancelled{0};
  TestServer server;
};

TEST(HttpSessionTest, AStreamedBodyFollowsALateAnswer) {
  StreamingServer streaming(5, 100'000);
  RawClient client;
  ASSERT_TRUE(client.Connect(streaming.server.port()));
  // Two at once: the second waits for the first.
  ASSERT_TRUE(client.Write(Request("GET /a") + Request("HEAD /b") + Request("GET /c")));
  for (const bool has_body : {true, false, true}) {
    const std::string head = client.ReadHead();
    EXPECT_EQ(StatusOf(head), 200);
    EXPECT_NE(head.find("Content-Length: 500000\r\n"), std::string::npos);
    if (has_body) EXPECT_EQ(client.ReadBytes(500'000), std::string(500'000, 'p'));
  }
  EXPECT_EQ(streaming.asked, 10);
}

TEST(HttpSessionTest, ABodyThatBreaksOffEndsTheConnection) {
  StreamingServer streaming(-2, 1000);
  RawClient client;
  ASSERT_TRUE(client.Connect(streaming.server.port()));
  ASSERT_TRUE(client.Write(Request("GET /a")));
  EXPECT_NE(client.ReadHead().find("Content-Length: 3000\r\n"), std::string::npos);
  EXPECT_EQ(client.ReadToEnd(), std::string(2000, 'p'));
}

TEST(HttpSessionTest, ASlowReaderIsNotReadAheadForAndIsCutOffWhenItStops) {
  TransportOptions options = TestServer::Options();
  options.http_keep_alive_timeout_ms = 300;
  options.sweep_period_ms = 20;
  StreamingServer streaming(100'000, 64 << 10, options);
  RawClient client;
  ASSERT_TRUE(client.Connect(streaming.server.port(), 16 << 10));
  ASSERT_TRUE(client.Write(Request("GET /a")));
  EXPECT_EQ(StatusOf(client.ReadHead()), 200);
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (streaming.cancelled == 0 && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::yield();
  }
  EXPECT_EQ(streaming.cancelled, 1);
  // What the sockets took, and one piece more: far from all of it.
  EXPECT_LT(streaming.asked, 1000);
}

TEST(UpgradeTest, FollowsTheRfcsExample) {
  TestServer server;
  RawClient client;
  ASSERT_TRUE(client.Connect(server.port()));
  ASSERT_TRUE(client.Write(RawClient::UpgradeRequest()));
  const std::string head = client.ReadHead();
  EXPECT_EQ(StatusOf(head), 101);
  EXPECT_NE(head.find("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"), std::string::npos);
  EXPECT_EQ(head.find("Sec-WebSocket-Extensions"), std::string::npos);
  EXPECT_EQ(head.find("Sec-WebSocket-Protocol"), std::string::npos);
  server.ExpectEvent("open 127.0.0.1");
}

TEST(UpgradeTest, RefusesWhatIsNotAProperUpgrade) {
  TestServer server;
  const std::string good = RawClient::UpgradeRequest();
  const auto replaced = [&](std::string_view from, std::string_view to) {
    std::string request = good;
    return request.replace(request.find(from), from.size(), to);
  };
  const struct {
    std::string request;
    int status;
  } kCases[] = {
      {RawClient::UpgradeRequest("/", "Content-Length: 0\r\n"), 400},
      {RawClient::UpgradeRequest("/", "Content-Length: 5\r\n"), 400},
      {RawClient::UpgradeRequest("/", "Transfer-Encoding: chunked\r\n"), 400},
      {replaced("Version: 13", "Version: 8"), 426},
      {replaced("Sec-WebSocket-Version: 13\r\n", ""), 426},
      {replaced("dGhlIHNhbXBsZSBub25jZQ==", "short"), 400},
      {replaced("Host: localhost\r\n", ""), 400},
      // Without these two, or with another method, it is a plain request.
      {replaced("Upgrade: websocket", "Upgrade: h2c"), 404},
      {replaced("Connection: Upgrade", "Connection: close"), 404},
  };
  for (const auto& c : kCases) {
    RawClient client;
    ASSERT_TRUE(client.Connect(server.port()));
    ASSERT_TRUE(client.Write(c.request));
    const std::string head = client.ReadHead();
    EXPECT_EQ(StatusOf(head), c.status) << c.request << head;
    if (c.status == 426) {
      EXPECT_NE(head.find("Sec-WebSocket-Version: 13\r\n"), std::string::npos);
    }
  }
  EXPECT_EQ(server.Total(&TransportCounters::upgrades), 0u);
}

TEST(UpgradeTest, TheHandlerSeesTheRequestAndMayRefuse) {
  TestServer server;
  server.on_upgrade = [](const HttpRequest& request) {
    UpgradeDecision decision;
    EXPECT_EQ(request.method, "GET");
    EXPECT_EQ(request.Header("X-API-KEY"), "secret");
    EXPECT_EQ(request.Header("X-Other"), std::nullopt);
    EXPECT_EQ(request.remote_address, "127.0.0.1");
    EXPECT_FALSE(request.tls);
    if (request.target == "/full") {
      decision.refusal =
          HttpResponse{.status = 503, .headers = {{"Retry-After", "7"}}, .body = "full"};
    } else {
      decision.subprotocol = "covet.v1";
    }
    return decision;
  };
  RawClient refused;
  ASSERT_TRUE(refused.Connect(server.port()));
  ASSERT_TRUE(refused.Write(RawClient::UpgradeRequest("/full", "x-api-key: secret\r\n")));
  const std::string all = refused.ReadToEnd();
  EXPECT_EQ(StatusOf(all), 503);
  EXPECT_NE(all.find("Retry-After: 7\r\n"), std::string::npos);
  EXPECT_EQ(all.substr(all.size() - 4), "full");
  RawClient accepted;
  ASSERT_TRUE(accepted.Connect(server.port()));
  ASSERT_TRUE(accepted.Write(RawClient::UpgradeRequest("/ws?a=b", "X-Api-Key: secret\r\n")));
  const std::string head = accepted.ReadHead();
  EXPECT_EQ(StatusOf(head), 101);
  EXPECT_NE(head.find("Sec-WebSocket-Protocol: covet.v1\r\n"), std::string::npos);
}

TEST(UpgradeTest, FramesMayFollowTheRequestAtOnce) {
  TestServer server;
  RawClient client;
  ASSERT_TRUE(client.Connect(server.port()));
  const std::string large(5000, 'L');
  ASSERT_TRUE(client.Write(RawClient::UpgradeRequest() + RawClient::MaskedFrame(1, "early") +
                           RawClient::MaskedFrame(1, large)));
  EXPECT_EQ(StatusOf(client.ReadHead()), 101);
  EXPECT_EQ(client.ReadFrame().payload, "early");
  EXPECT_EQ(client.ReadFrame().payload, large);
}

TEST(UpgradeTest, TheAddressComesFromTheProxyHeader) {
  TransportOptions options = TestServer::Options();
  options.proxy_protocol = true;
  TestServer server(options);
  for (const std::string& header :
       {std::string("PROXY TCP4 203.0.113.7 10.0.0.1 56324 443\r\n"),
        std::string("\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xcb\0\x71\x07\x0a\0\0\x01\xdc\x04\x01\xbb",
                    28)}) {
    RawClient client;
    ASSERT_TRUE(client.Connect(server.port()));
    // In pieces, the last with the request.
    ASSERT_TRUE(client.Write(header.substr(0, 14)));
    ASSERT_TRUE(client.Write(header.substr(14) + RawClient::UpgradeRequest()));
    EXPECT_EQ(StatusOf(client.ReadHead()), 101);
    server.ExpectEvent("open 203.0.113.7");
  }
  RawClient without;
  ASSERT_TRUE(without.Connect(server.port()));
  ASSERT_TRUE(without.Write(RawClient::UpgradeRequest()));
  EXPECT_EQ(without.ReadToEnd(), "");
}

TEST(UpgradeTest, TheAddressComesFromATrustedProxysHeader) {
  TransportOptions options = TestServer::Options();
  options.trusted_proxies = {"127.0.0.0/8"};
  TestServer server(options);
  RawClient client;
  ASSERT_TRUE(client.ConnectWebSocket(server.port(), "/",
                                      "X-Forwarded-For: 198.51.100.1, 203.0.113.9\r\n"));
  server.ExpectEvent("open 203.0.113.9");
}

TEST(ServerTest, RefusesOptionsThatCannotWork) {
  TestServer server;
  const TransportHandlers handlers = {.upgrade = &server, .http = &server};
  TransportOptions options = TestServer::Options();
  options.bind_address = "nowhere";
  EXPECT_EQ(TransportServer::Create(options, handlers).status().code(),
            absl::StatusCode::kInvalidArgument);
  options = TestServer::Options();
  options.bind_address = "203.0.113.1";
  EXPECT_EQ(TransportServer::Create(options, handlers).status().code(),
            absl::StatusCode::kUnavailable);
  options = TestServer::Options();
  options.trusted_proxies = {"proxy"};
  EXPECT_EQ(TransportServer::Create(options, handlers).status().code(),
            absl::StatusCode::kInvalidArgument);
  options = TestServer::Options();
  options.tls_certificate_chain_file = "/nonexistent.pem";
  EXPECT_EQ(TransportServer::Create(options, handlers).status().code(),
            absl::StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace covet::edge
