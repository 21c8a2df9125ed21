#pragma once

#include <absl/synchronization/mutex.h>
#include <absl/time/time.h>

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "edge/transport/server.h"

namespace covet::edge {

// A transport on a free loopback port whose connections do what a test tells them. What handlers
// see goes into one list of events, which the test waits on.
class TestServer final : public UpgradeHandler, public HttpHandler {
 public:
  static TransportOptions Options();

  explicit TestServer(TransportOptions options = Options());
  ~TestServer() override;

  uint16_t port() const { return server_->port(); }
  TransportServer& transport() { return *server_; }

  // Called on the connection's thread with each text or binary message; echoes by default.
  std::function<void(Connection&, std::string_view message, bool text)> on_message;
  // Called when a connection has been made.
  std::function<void(Connection&)> on_open;
  // Called with each OnDrained.
  std::function<void(Connection&)> on_drained;
  // Decides instead of accepting all.
  std::function<UpgradeDecision(const HttpRequest&)> on_upgrade;
  // Answers requests instead of `/hello`.
  std::function<HttpResponse(const HttpRequest&)> on_request;

  // Waits until an event `what` has been seen, and removes it. Fails the test after 10 s. Events:
  // `open ADDRESS`, `text …`, `pong …`, `drained`, `closed CODE`.
  void ExpectEvent(const std::string& what);
  bool HasEvent(const std::string& what);
  // Runs `fn` with the connection that opened first of those still open, on its thread; waits for
  // it. Does nothing if none is.
  void WithConnection(const std::function<void(Connection&)>& fn);
  // Over all threads, with the turns that are under way.
  uint64_t Total(Counter TransportCounters::*counter) const;

  // UpgradeHandler, HttpHandler.
  UpgradeDecision OnUpgrade(const HttpRequest& request) override;
  HttpResponse OnRequest(const HttpRequest& request) override;

 private:
  class Handler;
  struct Open {
    Handler* handler;
    size_t thread;
  };

  void AddEvent(std::string event);

  absl::Mutex mutex_;
  std::deque<std::string> events_ ABSL_GUARDED_BY(mutex_);
  std::vector<Open> open_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<TransportServer> server_;
};

}  // namespace covet::edge
