#include "edge/transport/testing/test_server.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <future>

namespace covet::edge {

class TestServer::Handler final : public ConnectionHandler {
 public:
  Handler(TestServer* server, Connection* connection, size_t thread)
      : server_(server), connection_(connection) {
    {
      absl::MutexLock lock(&server_->mutex_);
      server_->open_.push_back({this, thread});
    }
    if (server_->on_open) server_->on_open(*connection_);
    server_->AddEvent("open " + connection_->remote_address());
  }

  Connection& connection() { return *connection_; }

  void OnText(std::string_view message) override {
    if (server_->on_message) return server_->on_message(*connection_, message, true);
    connection_->Send({.frame = Frame::Text(std::string(message))});
  }
  void OnBinary(std::string_view message) override {
    if (server_->on_message) return server_->on_message(*connection_, message, false);
    connection_->Send({.frame = Frame::Binary(std::string(message))});
  }
  void OnPong(std::string_view payload) override {
    server_->AddEvent("pong " + std::string(payload));
  }
  void OnDrained() override {
    if (server_->on_drained) server_->on_drained(*connection_);
    server_->AddEvent("drained");
  }
  void OnClosed(uint16_t code) override {
    {
      absl::MutexLock lock(&server_->mutex_);
      auto& open = server_->open_;
      open.erase(
          std::find_if(open.begin(), open.end(), [&](const Open& o) { return o.handler == this; }));
    }
    server_->AddEvent("closed " + std::to_string(code));
  }

 private:
  TestServer* server_;
  Connection* connection_;
};

TransportOptions TestServer::Options() {
  TransportOptions options;
  options.bind_address = "127.0.0.1";
  options.port = 0;
  options.sweep_period_ms = 20;
  return options;
}

TestServer::TestServer(TransportOptions options) {
  auto server = TransportServer::Create(std::move(options), {.upgrade = this, .http = this});
  EXPECT_TRUE(server.ok()) << server.status();
  server_ = *std::move(server);
  server_->Listen();
}

TestServer::~TestServer() { server_->Stop(); }

void TestServer::AddEvent(std::string event) {
  absl::MutexLock lock(&mutex_);
  events_.push_back(std::move(event));
}

void TestServer::ExpectEvent(const std::string& what) {
  absl::MutexLock lock(&mutex_);
  const auto seen = [this, &what] {
    mutex_.AssertHeld();
    return std::find(events_.begin(), events_.end(), what) != events_.end();
  };
  if (mutex_.AwaitWithTimeout(absl::Condition(&seen), absl::Seconds(10))) {
    events_.erase(std::find(events_.begin(), events_.end(), what));
    return;
  }
  std::string all;
  for (const std::string& event : events_) all += event + "\n";
  ADD_FAILURE() << "no event \"" << what << "\" but:\n" << all;
}

bool TestServer::HasEvent(const std::string& what) {
  absl::MutexLock lock(&mutex_);
  return std::find(events_.begin(), events_.end(), what) != events_.end();
}

void TestServer::WithConnection(const std::function<void(Connection&)>& fn) {
  Open open;
  {
    absl::MutexLock lock(&mutex_);
    if (open_.empty()) return;
    open = open_.front();
  }
  std::promise<void> done;
  server_->thread(open.thread).Post([&] {
    bool exists;
    {
      absl::MutexLock lock(&mutex_);
      exists = std::any_of(open_.begin(), open_.end(),
                           [&](const Open& o) { return o.handler == open.handler; });
    }
    if (exists) fn(open.handler->connection());
    done.set_value();
  });
  done.get_future().wait();
}

uint64_t TestServer::Total(Counter TransportCounters::*counter) const {
  uint64_t total = 0;
  for (size_t i = 0; i < server_->thread_count(); ++i) {
    // What a client has seen may not have been counted yet; it is when the turn has ended.
    std::promise<void> turn_ended;
    server_->thread(i).Post([&] { turn_ended.set_value(); });
    turn_ended.get_future().wait();
    total += (server_->thread(i).counters().*counter).value();
  }
  return total;
}

UpgradeDecision TestServer::OnUpgrade(const HttpRequest& request) {
  UpgradeDecision decision;
  if (on_upgrade) decision = on_upgrade(request);
  decision.make_handler = [this, thread = request.thread_index](Connection& connection) {
    return std::make_shared<Handler>(this, &connection, thread);
  };
  return decision;
}

HttpResponse TestServer::OnRequest(const HttpRequest& request) {
  if (on_request) return on_request(request);
  if (request.target == "/hello")
    return {.status = 200, .headers = {{"X-Test", "yes"}}, .body = "hello"};
  return {.status = 404, .headers = {}, .body = "no such page"};
}

}  // namespace covet::edge
