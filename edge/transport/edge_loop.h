#pragma once

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "common/base/clock.h"
#include "common/base/id_generator.h"
#include "common/limits/address.h"
#include "edge/transport/asio_types.h"
#include "edge/transport/counters.h"
#include "edge/transport/edge_thread.h"
#include "edge/transport/http.h"
#include "edge/transport/options.h"
#include "edge/transport/outbox.h"
#include "edge/transport/pending_sockets.h"

namespace covet::edge {

class EdgeLoop;

// Something with a socket that its loop looks after: in place of a timer each, OnSweep comes once
// per sweep period. Registered while it exists. Owning thread: the loop's.
class LoopMember {
 public:
  explicit LoopMember(EdgeLoop* loop);
  virtual ~LoopMember();
  LoopMember(const LoopMember&) = delete;
  LoopMember& operator=(const LoopMember&) = delete;

  // Looks at timeouts. May destroy the member.
  virtual void OnSweep(int64_t now_ms) = 0;
  // The turn in which MarkDirty was called ends. May destroy the member.
  virtual void OnTurnEnd() = 0;
  // The server drains: close in good order, with this as the close reason. Only the first call
  // counts; false if there was nothing to close.
  virtual bool Drain(std::string_view reason) = 0;
  // The server stops: close at once. May destroy the member.
  virtual void Abort() = 0;

 protected:
  EdgeLoop& loop() { return *loop_; }
  // Asks for OnTurnEnd, once however often it is called.
  void MarkDirty();

 private:
  friend class EdgeLoop;

  EdgeLoop* loop_;
  uint32_t slot_ = 0;
  bool dirty_ = false;
};

// One edge thread's event loop and what its connections share. All but the EdgeThread interface
// belongs to the thread that runs it.
class EdgeLoop final : public EdgeThread {
 public:
  // What all threads share; outlives the loops. The handlers are thread-safe.
  struct Shared {
    TransportOptions options;
    limits::NetworkList trusted_proxies;
    UpgradeHandler* upgrade = nullptr;
    HttpHandler* http = nullptr;
    const Clock* clock = nullptr;
    IdGenerator* ids = nullptr;
    // Called by a loop's thread whenever its last WebSocket connection has closed.
    std::function<void()> on_idle;
  };

  EdgeLoop(size_t index, const Shared* shared);
  ~EdgeLoop() override;

  size_t index() const override { return index_; }
  void Post(std::function<void()> fn) override;
  void RunAfter(std::chrono::milliseconds delay, std::function<void()> fn) override;
  int64_t NowMillis() const override { return now_ms_; }
  // For what begins a turn.
  int64_t ReadClock() { return now_ms_ = shared_->clock->SteadyMillis(); }
  const TransportCounters& counters() const override { return counters_; }

  // Runs the loop on the calling thread until Stop.
  void Run();
  // Aborts all members and makes Run return. Thread-safe.
  void Stop();
  // Runs what is ready and returns; in place of Run, for tests that own the thread.
  void Poll();
  // Begins to close all connections, evenly spread over the window.
  void Drain(std::chrono::milliseconds window);
  bool draining() const { return draining_; }

  net::io_context& io_context() { return io_context_; }
  const Shared& shared() const { return *shared_; }
  const TransportOptions& options() const { return shared_->options; }
  TransportCounters& mutable_counters() { return counters_; }
  // Where bytes go that nobody wants; and what one write is made of. Good until the next member
  // uses them.
  net::mutable_buffer discard() { return net::buffer(discard_); }
  WriteBatch& batch() { return batch_; }
  // Where a compressed message is inflated to; good until the next one is.
  std::string& inflated() { return inflated_; }

  void ConnectionOpened() { counters_.open_connections.Add(); }
  void ConnectionClosed();
  // How many more sockets may be open that are not WebSocket connections.
  size_t free_pending_sockets() const {
    const auto pending =
        static_cast<size_t>(counters_.open_sockets.value() - counters_.open_connections.value());
    return pending < options().max_pending_sockets ? options().max_pending_sockets - pending : 0;
  }
  // Whose they are, but for those whose PROXY protocol header has not come yet.
  PendingSockets& pending_sockets() { return pending_sockets_; }

 private:
  friend class LoopMember;

  void Register(LoopMember* member);
  void Unregister(LoopMember* member);
  void MarkDirty(LoopMember* member);
  void EndTurn();
  void RunPosted();
  void ScheduleSweep();
  void Sweep();
  void DrainSome();

  const size_t index_;
  const Shared* shared_;
  TransportCounters counters_;
  PendingSockets pending_sockets_;
  int64_t now_ms_ = 0;

  // Members with something to do when the turn ends; null where one was destroyed meanwhile.
  std::vector<LoopMember*> dirty_;
  std::vector<LoopMember*> ending_;
  std::vector<LoopMember*> members_;
  size_t sweep_next_ = 0;

  bool draining_ = false;
  int64_t drain_started_ms_ = 0;
  int64_t drain_window_ms_ = 0;
  size_t drain_total_ = 0;
  size_t drained_ = 0;

  WriteBatch batch_;
  std::string inflated_;
  std::array<char, 16 << 10> discard_;
  // What is posted goes through a queue of our own: asio would run what its one thread posts to
  // itself behind what others post before the handler ends. As bounded as those who post: the links
  // hold back what is not taken.
  absl::Mutex posted_mutex_;
  std::vector<std::function<void()>> posted_ ABSL_GUARDED_BY(posted_mutex_);
  std::vector<std::function<void()>> running_;

  // Last: what its pending operations hold refers to the above.
  net::io_context io_context_;
  net::steady_timer sweep_timer_;
};

}  // namespace covet::edge
