// covet-echo: sends every message back, over the product's transport. For protocol conformance
// suites; no part of the product. Usage: covet-echo [PORT]; prints `listening on 127.0.0.1:PORT`
// once it is. SIGTERM and SIGINT end it.

#include <absl/strings/numbers.h>
#include <signal.h>

#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "edge/transport/server.h"

namespace covet::edge {
namespace {

// The suites' largest messages, and room for their echo.
constexpr size_t kMaxMessage = 64 << 20;

class EchoSession final : public ConnectionHandler {
 public:
  explicit EchoSession(Connection* connection) : connection_(connection) {
    connection_->SetMaxMessageBytes(kMaxMessage);
  }

  void OnText(std::string_view message) override { Send(Frame::Text(std::string(message))); }
  void OnBinary(std::string_view message) override { Send(Frame::Binary(std::string(message))); }
  void OnPong(std::string_view /*payload*/) override {}
  void OnDrained() override { connection_->ResumeReading(); }
  void OnClosed(uint16_t /*code*/) override {}

 private:
  void Send(FramePtr frame) {
    if (connection_->Send({.frame = std::move(frame)}) == SendResult::kBackpressure)
      connection_->PauseReading();
  }

  Connection* connection_;
};

class Echo final : public UpgradeHandler, public HttpHandler {
 public:
  UpgradeDecision OnUpgrade(const HttpRequest& /*request*/) override {
    UpgradeDecision decision;
    decision.make_handler = [](Connection& connection) {
      return std::make_shared<EchoSession>(&connection);
    };
    return decision;
  }
  HttpResponse OnRequest(const HttpRequest& /*request*/) override { return {.status = 404}; }
};

int Run(uint16_t port) {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);

  TransportOptions options;
  options.bind_address = "127.0.0.1";
  options.port = port;
  options.queue = {.max_bytes = 2 * kMaxMessage, .high_water_bytes = 1 << 20};
  Echo echo;
  auto server = TransportServer::Create(options, {.upgrade = &echo, .http = &echo});
  if (!server.ok()) {
    std::fprintf(stderr, "covet-echo: %s\n", server.status().ToString().c_str());
    return 1;
  }
  (*server)->Listen();
  std::printf("listening on 127.0.0.1:%d\n", (*server)->port());
  std::fflush(stdout);
  int signal = 0;
  sigwait(&signals, &signal);
  (*server)->Stop();
  return 0;
}

}  // namespace
}  // namespace covet::edge

int main(int argc, char** argv) {
  int port = 0;
  if (argc > 2 || (argc == 2 && (!absl::SimpleAtoi(argv[1], &port) || port < 0 || port > 65535))) {
    std::fprintf(stderr, "usage: covet-echo [PORT]\n");
    return 2;
  }
  return covet::edge::Run(static_cast<uint16_t>(port));
}
