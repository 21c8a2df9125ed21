#include "edge/transport/server.h"

#include <absl/status/status.h>
#include <absl/synchronization/mutex.h>
#include <absl/time/time.h>
#include <pthread.h>

#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "edge/transport/edge_loop.h"
#include "edge/transport/listener.h"
#include "edge/transport/session.h"
#include "edge/transport/tls_context.h"

namespace covet::edge {
namespace {

class Server final : public TransportServer {
 public:
  static absl::StatusOr<std::unique_ptr<TransportServer>> Create(
      TransportOptions options, const TransportHandlers& handlers) {
    if (options.threads == 0)
      return absl::InvalidArgumentError("a transport needs at least one thread");
    absl::StatusOr<limits::NetworkList> proxies =
        limits::NetworkList::Parse(options.trusted_proxies);
    if (!proxies.ok()) return proxies.status();
    std::unique_ptr<net::ssl::context> tls;
    if (!options.tls_certificate_chain_file.empty() || !options.tls_private_key_file.empty()) {
      auto made = MakeTlsContext(options.tls_certificate_chain_file, options.tls_private_key_file);
      if (!made.ok()) return made.status();
      tls = *std::move(made);
    }
    auto server =
        std::make_unique<Server>(std::move(options), handlers, *std::move(proxies), std::move(tls));
    if (absl::Status bound = server->Bind(); !bound.ok()) return bound;
    server->StartThreads();
    return server;
  }

  Server(TransportOptions options, const TransportHandlers& handlers, limits::NetworkList proxies,
         std::unique_ptr<net::ssl::context> tls)
      : tls_(std::move(tls)) {
    shared_.options = std::move(options);
    shared_.trusted_proxies = std::move(proxies);
    shared_.upgrade = handlers.upgrade;
    shared_.http = handlers.http;
    shared_.clock = handlers.clock;
    shared_.ids = handlers.ids;
    shared_.on_idle = [this] {
      absl::MutexLock lock(&mutex_);
      idle_.SignalAll();
    };
    for (size_t i = 0; i < shared_.options.threads; ++i) {
      loops_.push_back(std::make_unique<EdgeLoop>(i, &shared_));
      listeners_.push_back(std::make_unique<Listener>(
          loops_[i]->io_context(),
          [this, loop = loops_[i].get()](TcpSocket socket, std::string peer) {
            OnAccept(loop, std::move(socket), std::move(peer));
          }));
    }
  }

  ~Server() override {
    Stop();
    // A listener's operations belong to its loop.
    listeners_.clear();
  }

  void Listen() override {
    for (size_t i = 0; i < loops_.size(); ++i) {
      loops_[i]->Post([listener = listeners_[i].get()] { listener->Start(); });
    }
  }

  uint16_t port() const override { return listeners_[0]->port(); }
  size_t thread_count() const override { return loops_.size(); }
  EdgeThread& thread(size_t index) override { return *loops_[index]; }

  size_t open_connections() const override {
    size_t open = 0;
    for (const auto& loop : loops_) open += loop->counters().open_connections.value();
    return open;
  }

  void StopAccepting() override {
    for (size_t i = 0; i < loops_.size(); ++i) {
      loops_[i]->Post([listener = listeners_[i].get()] { listener->Stop(); });
    }
  }

  void Drain(std::chrono::milliseconds window) override {
    StopAccepting();
    for (const auto& loop : loops_) {
      loop->Post([loop = loop.get(), window] { loop->Drain(window); });
    }
  }

  bool WaitUntilClosed(std::chrono::milliseconds timeout) override {
    const absl::Time deadline = absl::Now() + absl::FromChrono(timeout);
    absl::MutexLock lock(&mutex_);
    while (open_connections() > 0) {
      if (idle_.WaitWithDeadline(&mutex_, deadline)) return open_connections() == 0;
    }
    return true;
  }

  void Stop() override {
    StopAccepting();
    for (const auto& loop : loops_) loop->Stop();
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
  }

 private:
  absl::Status Bind() {
    const TransportOptions& options = shared_.options;
    uint16_t port = options.port;
    for (const auto& listener : listeners_) {
      if (absl::Status bound = listener->Bind(options.bind_address, port, options.backlog);
          !bound.ok())
        return bound;
      port = listener->port();
    }
    return absl::OkStatus();
  }

  void StartThreads() {
    for (const auto& loop : loops_) {
      threads_.emplace_back([loop = loop.get()] {
        pthread_setname_np(pthread_self(), "edge");
        loop->Run();
      });
    }
  }

  void OnAccept(EdgeLoop* loop, TcpSocket socket, std::string peer) {
    loop->mutable_counters().accepted_sockets.Add();
    if (loop->free_pending_sockets() == 0) return;
    const int64_t deadline_ms = loop->NowMillis() + shared_.options.handshake_timeout_ms;
    const auto start = [this, loop, deadline_ms](TcpSocket ready, std::string client) {
      if (!MayWait(loop, client)) return;
      if (tls_) {
        StartTlsSession(loop, std::move(ready), tls_.get(), std::move(client), deadline_ms);
      } else {
        StartPlainSession(loop, std::move(ready), std::move(client), deadline_ms);
      }
    };
    if (shared_.options.proxy_protocol) {
      StartProxyHeader(loop, std::move(socket), std::move(peer), deadline_ms, start);
    } else {
      start(std::move(socket), std::move(peer));
    }
  }

  // Whether a socket of this client may wait for its request. A proxy's are many clients'.
  bool MayWait(EdgeLoop* loop, const std::string& client) const {
    // One that came with a PROXY header holds a place already.
    const size_t free = loop->free_pending_sockets() + (shared_.options.proxy_protocol ? 1 : 0);
    if (loop->pending_sockets().Allows(client, free)) return true;
    const auto address = limits::IpAddress::Parse(client);
    return address && shared_.trusted_proxies.Contains(*address) && free > 0;
  }

  EdgeLoop::Shared shared_;
  std::unique_ptr<net::ssl::context> tls_;
  absl::Mutex mutex_;
  absl::CondVar idle_;
  std::vector<std::unique_ptr<EdgeLoop>> loops_;
  std::vector<std::unique_ptr<Listener>> listeners_;
  std::vector<std::thread> threads_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<TransportServer>> TransportServer::Create(
    TransportOptions options, const TransportHandlers& handlers) {
  return Server::Create(std::move(options), handlers);
}

}  // namespace covet::edge
