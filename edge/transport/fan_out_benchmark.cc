#include <benchmark/benchmark.h>

#include <memory>
#include <string>
#include <vector>

#include "edge/transport/http_session.h"
#include "edge/transport/testing/memory_stream.h"

namespace covet::edge {
namespace {

class Silent final : public ConnectionHandler {
 public:
  void OnText(std::string_view) override {}
  void OnBinary(std::string_view) override {}
  void OnPong(std::string_view) override {}
  void OnDrained() override {}
  void OnClosed(uint16_t) override {}
};

class Collector final : public UpgradeHandler, public HttpHandler {
 public:
  UpgradeDecision OnUpgrade(const HttpRequest&) override {
    UpgradeDecision decision;
    decision.make_handler = [this](Connection& connection) {
      connections.push_back(&connection);
      return std::make_shared<Silent>();
    };
    return decision;
  }
  HttpResponse OnRequest(const HttpRequest&) override { return {}; }

  std::vector<Connection*> connections;
};

constexpr char kUpgrade[] =
    "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: "
    "Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

// One frame to many connections that take it at once: what a delivery costs above the system call.
void BM_FanOut(benchmark::State& state) {
  const auto members = static_cast<size_t>(state.range(0));
  Collector collector;
  EdgeLoop::Shared shared;
  shared.upgrade = &collector;
  shared.http = &collector;
  shared.clock = &SystemClock();
  shared.ids = &SystemIds();
  std::vector<MemoryStream::State> streams(members);
  EdgeLoop loop(0, &shared);
  for (MemoryStream::State& stream : streams) {
    stream.hold_open = true;
    stream.input = {kUpgrade};
    HttpSession<MemoryStream>::Start(&loop, MemoryStream(loop.io_context().get_executor(), &stream),
                                     "192.0.2.1", /*deadline_ms=*/INT64_MAX);
  }
  loop.Poll();
  const std::string text(200, 'x');
  for (auto _ : state) {
    const FramePtr frame = Frame::Text(text, 10);
    loop.Post([&] {
      for (Connection* connection : collector.connections) {
        connection->Send({.frame = frame, .droppable = true, .tag = 1});
      }
    });
    loop.Poll();
    for (MemoryStream::State& stream : streams) stream.output.clear();
  }
  state.SetItemsProcessed(static_cast<int64_t>(members) * state.iterations());
  loop.Stop();
  loop.Poll();
}
BENCHMARK(BM_FanOut)->Arg(1)->Arg(100)->Arg(1000)->Arg(10000);

}  // namespace
}  // namespace covet::edge
