// Bytes in over a memory stream, from the request's first byte to the connection's end. The input's
// first bytes choose how it is cut into reads, how writes are cut and refused, and what the session
// does.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>

#include "edge/transport/http_session.h"
#include "edge/transport/testing/memory_stream.h"

namespace covet::edge {
namespace {

constexpr size_t kMaxInput = 1 << 16;
constexpr size_t kControlBytes = 6;

void Check(bool holds) {
  if (!holds) std::abort();
}

// A clock that a test moves.
class StillClock final : public Clock {
 public:
  int64_t WallMillis() const override { return 0; }
  int64_t SteadyMicros() const override { return 0; }
};

// Strict about the contract: every text is UTF-8 within the limit, nothing follows Close or
// OnClosed.
class FuzzSession final : public ConnectionHandler {
 public:
  FuzzSession(Connection* connection, uint8_t behaviour, int* closed)
      : connection_(connection), behaviour_(behaviour), closed_(closed) {
    connection_->Send({.frame = Frame::Text(R"({"type":"connection_ack"})")});
  }

  void OnText(std::string_view message) override {
    Check(!closing_ && message.size() <= kMaxMessage);
    boost::beast::websocket::detail::utf8_checker utf8;
    Check(utf8.write(reinterpret_cast<const uint8_t*>(message.data()), message.size()) &&
          utf8.finish());
    Act(Frame::Text(std::string(message), 0));
  }
  void OnBinary(std::string_view message) override {
    Check(!closing_ && message.size() <= kMaxMessage);
    Act(Frame::Binary(std::string(message)));
  }
  void OnPong(std::string_view payload) override { Check(!closing_ && payload.size() <= 125); }
  void OnDrained() override { connection_->ResumeReading(); }
  void OnTick(int64_t /*now_ms*/) override {}
  void OnClosed(uint16_t code) override {
    Check(code >= 1000);
    closing_ = true;
    ++*closed_;
  }

  static constexpr size_t kMaxMessage = 4096;

 private:
  void Act(FramePtr frame) {
    for (int i = 0; i < 1 + (behaviour_ & 3); ++i) {
      connection_->Send({.frame = frame, .droppable = (behaviour_ & 4) != 0, .tag = 1});
    }
    if (behaviour_ & 8) connection_->Ping("ping");
    if (behaviour_ & 16) {
      connection_->PauseReading();
      connection_->ResumeReading();
    }
    if ((behaviour_ & 32) && ++messages_ == 2) {
      closing_ = true;
      connection_->Close(4000, "enough");
    }
  }

  Connection* connection_;
  const uint8_t behaviour_;
  int* closed_;
  int messages_ = 0;
  bool closing_ = false;
};

class FuzzEdge final : public UpgradeHandler, public HttpHandler {
 public:
  explicit FuzzEdge(uint8_t behaviour) : behaviour_(behaviour) {}

  UpgradeDecision OnUpgrade(const HttpRequest& request) override {
    UpgradeDecision decision;
    if (request.target == "/refused") decision.refusal = HttpResponse{.status = 403};
    decision.make_handler = [this](Connection& connection) {
      ++opened;
      return std::make_shared<FuzzSession>(&connection, behaviour_, &closed);
    };
    return decision;
  }
  HttpResponse OnRequest(const HttpRequest& request) override {
    for (const auto& [name, value] : request.headers) Check(!name.empty());
    return {.status = 404, .headers = {}, .body = "none"};
  }

  int opened = 0;
  int closed = 0;

 private:
  const uint8_t behaviour_;
};

void RunOne(const uint8_t* data, size_t size) {
  if (size < kControlBytes || size > kMaxInput) return;
  const StillClock clock;
  FuzzEdge edge(data[0]);
  MemoryStream::State state;
  const size_t chunk = data[1] == 0 ? size : data[1];
  for (int i = 2; i < 5; ++i) state.write_sizes.push_back(data[i]);
  std::string_view input(reinterpret_cast<const char*>(data) + kControlBytes, size - kControlBytes);
  for (; !input.empty(); input.remove_prefix(std::min(chunk, input.size()))) {
    state.input.emplace_back(input.substr(0, chunk));
  }

  EdgeLoop::Shared shared;
  shared.options.initial_max_message_bytes = FuzzSession::kMaxMessage;
  shared.options.queue = {.max_bytes = 8192, .high_water_bytes = 4096};
  shared.upgrade = &edge;
  shared.http = &edge;
  shared.clock = &clock;
  shared.ids = &SystemIds();
  {
    EdgeLoop loop(0, &shared);
    HttpSession<MemoryStream>::Start(&loop, MemoryStream(loop.io_context().get_executor(), &state),
                                     "192.0.2.1", /*deadline_ms=*/1000);
    loop.Poll();
    if (data[5] & 1) loop.Drain(std::chrono::milliseconds(1));
    loop.Poll();
    loop.Stop();
    loop.Poll();
    Check(loop.counters().open_connections.value() == 0);
  }
  Check(edge.opened == edge.closed);
}

}  // namespace
}  // namespace covet::edge

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  covet::edge::RunOne(data, size);
  return 0;
}
