#include "edge/transport/server.h"

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <chrono>
#include <cstdio>
#include <future>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "edge/transport/testing/raw_client.h"
#include "edge/transport/testing/test_server.h"

namespace covet::edge {
namespace {

using std::chrono::milliseconds;

// A fresh self-signed certificate and its key, as PEM files.
class Certificate {
 public:
  explicit Certificate(const std::string& name)
      : chain_file(testing::TempDir() + name + "_cert.pem"),
        key_file(testing::TempDir() + name + "_key.pem") {
    EVP_PKEY* key = EVP_EC_gen("P-256");
    X509* certificate = X509_new();
    X509_set_version(certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), 0);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    X509_set_pubkey(certificate, key);
    X509_sign(certificate, key, EVP_sha256());
    FILE* file = std::fopen(chain_file.c_str(), "w");
    PEM_write_X509(file, certificate);
    std::fclose(file);
    file = std::fopen(key_file.c_str(), "w");
    PEM_write_PrivateKey(file, key, nullptr, nullptr, 0, nullptr, nullptr);
    std::fclose(file);
    X509_free(certificate);
    EVP_PKEY_free(key);
  }

  const std::string chain_file;
  const std::string key_file;
};

TransportOptions TlsOptions(const Certificate& certificate) {
  TransportOptions options = TestServer::Options();
  options.tls_certificate_chain_file = certificate.chain_file;
  options.tls_private_key_file = certificate.key_file;
  options.initial_max_message_bytes = 1 << 20;
  return options;
}

class TlsClient : public RawClient {
 public:
  bool ConnectTls(uint16_t port, int receive_buffer = 0) {
    return Connect(port, receive_buffer) && StartTls() && Write(UpgradeRequest()) &&
           ReadHead().rfind("HTTP/1.1 101 ", 0) == 0;
  }
};

TEST(TlsTest, CarriesTheSameProtocol) {
  const Certificate certificate("same");
  TestServer server(TlsOptions(certificate));
  server.on_upgrade = [](const HttpRequest& request) {
    EXPECT_TRUE(request.tls);
    return UpgradeDecision();
  };
  TlsClient client;
  ASSERT_TRUE(client.ConnectTls(server.port()));
  for (size_t size : {5, 20'000, 1 << 20}) {
    ASSERT_TRUE(client.SendText(std::string(size, 't')));
    EXPECT_EQ(client.ReadFrame().payload, std::string(size, 't'));
  }
  const uint64_t before = server.Total(&TransportCounters::writes);
  server.WithConnection([](Connection& connection) {
    for (int i = 0; i < 20; ++i) connection.Send({.frame = Frame::Text(std::to_string(i))});
  });
  for (int i = 0; i < 20; ++i) EXPECT_EQ(client.ReadFrame().payload, std::to_string(i));
  EXPECT_EQ(server.Total(&TransportCounters::writes), before + 1);
  server.WithConnection([](Connection& connection) { connection.Close(4401, "token expired"); });
  EXPECT_EQ(client.ReadFrame().close_code(), 4401);
  ASSERT_TRUE(client.Write(RawClient::CloseFrame(4401)));
  server.ExpectEvent("closed 4401");
  EXPECT_EQ(client.ReadToEnd(), "");
}

TEST(TlsTest, AReaderWhoStandsStillIsClosed) {
  const Certificate certificate("stuck");
  TransportOptions options = TlsOptions(certificate);
  options.max_head_age_ms = 100;
  options.close_timeout_ms = 100;
  TestServer server(options);
  // As much as the kernel takes, a queue's worth at a time.
  const auto fill = [](Connection& connection) {
    while (connection.Send({.frame = Frame::Text(std::string(20'000, 'f'))}) ==
           SendResult::kQueued) {
    }
  };
  server.on_drained = fill;
  TlsClient client;
  ASSERT_TRUE(client.ConnectTls(server.port(), /*receive_buffer=*/4096));
  server.ExpectEvent("open 127.0.0.1");
  server.WithConnection(fill);
  server.ExpectEvent("closed 4413");
}

TEST(TlsTest, WhoDoesNotSpeakTlsIsEndedInTime) {
  const Certificate certificate("mute");
  TransportOptions options = TlsOptions(certificate);
  options.handshake_timeout_ms = 100;
  TestServer server(options);
  RawClient plain;
  ASSERT_TRUE(plain.Connect(server.port()));
  ASSERT_TRUE(plain.Write(RawClient::UpgradeRequest()));
  plain.ReadToEnd();
  RawClient silent;
  ASSERT_TRUE(silent.Connect(server.port()));
  EXPECT_EQ(silent.ReadToEnd(), "");
  EXPECT_EQ(server.Total(&TransportCounters::handshake_failures), 2u);
}

TEST(TlsTest, AKeyThatDoesNotFitIsRefused) {
  const Certificate one("one");
  const Certificate other("other");
  TestServer server;
  TransportOptions options = TlsOptions(one);
  options.tls_private_key_file = other.key_file;
  EXPECT_EQ(TransportServer::Create(options, {.upgrade = &server, .http = &server}).status().code(),
            absl::StatusCode::kFailedPrecondition);
}

TEST(ServerTest, EveryThreadTakesConnectionsAndRunsWhatIsPosted) {
  TransportOptions options = TestServer::Options();
  options.threads = 2;
  TestServer server(options);
  std::vector<RawClient> clients(32);
  for (RawClient& client : clients) {
    ASSERT_TRUE(client.ConnectWebSocket(server.port()));
    ASSERT_TRUE(client.SendText("hello"));
    EXPECT_EQ(client.ReadFrame().payload, "hello");
  }
  EXPECT_EQ(server.transport().open_connections(), 32u);
  for (size_t i = 0; i < 2; ++i) {
    EdgeThread& thread = server.transport().thread(i);
    EXPECT_EQ(thread.index(), i);
    // The kernel spreads by a hash of the addresses: 2 in 2^32 that one thread gets none.
    EXPECT_GT(thread.counters().accepted_sockets.value(), 0u);
    std::promise<std::thread::id> posted;
    std::promise<std::thread::id> timed;
    thread.Post([&] { posted.set_value(std::this_thread::get_id()); });
    thread.RunAfter(milliseconds(1), [&] { timed.set_value(std::this_thread::get_id()); });
    EXPECT_EQ(posted.get_future().get(), timed.get_future().get());
  }
}

TEST(ServerTest, DrainSpreadsTheClosesAndTellsWhenToComeBack) {
  TransportOptions options = TestServer::Options();
  options.threads = 2;
  TestServer server(options);
  std::vector<RawClient> clients(20);
  for (RawClient& client : clients) ASSERT_TRUE(client.ConnectWebSocket(server.port()));
  RawClient idle_http;
  ASSERT_TRUE(idle_http.Connect(server.port()));
  constexpr milliseconds kWindow{400};
  const auto start = std::chrono::steady_clock::now();
  server.transport().Drain(kWindow);
  EXPECT_FALSE(server.transport().WaitUntilClosed(milliseconds(100)));
  std::set<int> waits;
  for (RawClient& client : clients) {
    const RawFrame close = client.ReadFrame();
    EXPECT_EQ(close.close_code(), 1001);
    const std::string reason = close.payload.substr(2);
    ASSERT_EQ(reason.rfind("reconnect_after_ms=", 0), 0u) << reason;
    const int wait = std::stoi(reason.substr(19));
    EXPECT_GE(wait, 0);
    EXPECT_LE(wait, kWindow.count());
    waits.insert(wait);
    ASSERT_TRUE(client.Write(RawClient::CloseFrame(1001)));
  }
  EXPECT_GE(std::chrono::steady_clock::now() - start, kWindow / 2);
  EXPECT_GT(waits.size(), 5u);
  EXPECT_TRUE(server.transport().WaitUntilClosed(milliseconds(10'000)));
  EXPECT_EQ(idle_http.ReadToEnd(), "");
  RawClient late;
  EXPECT_FALSE(late.ConnectWebSocket(server.port()));
}

TEST(ServerTest, StopEndsWhatIsLeft) {
  TestServer server;
  RawClient open;
  ASSERT_TRUE(open.ConnectWebSocket(server.port()));
  RawClient closing;
  ASSERT_TRUE(closing.ConnectWebSocket(server.port()));
  RawClient http;
  ASSERT_TRUE(http.Connect(server.port()));
  server.ExpectEvent("open 127.0.0.1");
  server.ExpectEvent("open 127.0.0.1");
  server.WithConnection([](Connection& connection) {
    connection.PauseReading();
    connection.Send({.frame = Frame::Text("unsent")});
  });
  server.transport().thread(0).RunAfter(std::chrono::hours(1), [] { FAIL(); });
  server.transport().Stop();
  server.ExpectEvent("closed 1001");
  server.ExpectEvent("closed 1001");
  open.ReadToEnd();
  EXPECT_EQ(closing.ReadToEnd(), "");
  EXPECT_EQ(http.ReadToEnd(), "");
  server.transport().Stop();
}

TEST(ServerTest, SocketsThatDoNotUpgradeAreBounded) {
  TransportOptions options = TestServer::Options();
  options.max_pending_sockets = 3;
  options.trusted_proxies = {"127.0.0.1"};
  TestServer server(options);
  std::vector<RawClient> pending(3);
  for (RawClient& client : pending) ASSERT_TRUE(client.Connect(server.port()));
  RawClient refused;
  ASSERT_TRUE(refused.Connect(server.port()));
  EXPECT_EQ(refused.ReadToEnd(), "");
  // An upgraded one no longer counts.
  ASSERT_TRUE(pending[0].Write(RawClient::UpgradeRequest()));
  EXPECT_EQ(pending[0].ReadHead().rfind("HTTP/1.1 101", 0), 0u);
  RawClient next;
  EXPECT_TRUE(next.ConnectWebSocket(server.port()));
}

TEST(ServerTest, OneAddressLeavesSocketsToOthers) {
  TransportOptions options = TestServer::Options();
  options.max_pending_sockets = 6;
  TestServer server(options);
  std::vector<RawClient> pending(3);
  for (RawClient& client : pending) ASSERT_TRUE(client.Connect(server.port()));
  RawClient refused;
  ASSERT_TRUE(refused.Connect(server.port()));
  EXPECT_EQ(refused.ReadToEnd(), "");
  RawClient other;
  ASSERT_TRUE(other.Connect(server.port(), 0, "127.0.0.2"));
  ASSERT_TRUE(other.Write(RawClient::UpgradeRequest()));
  EXPECT_EQ(other.ReadHead().rfind("HTTP/1.1 101", 0), 0u);
  // One that is upgraded, or gone, is given back.
  ASSERT_TRUE(pending[0].Write(RawClient::UpgradeRequest()));
  EXPECT_EQ(pending[0].ReadHead().rfind("HTTP/1.1 101", 0), 0u);
  RawClient next;
  EXPECT_TRUE(next.ConnectWebSocket(server.port()));
}

}  // namespace
}  // namespace covet::edge
