#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>

#include "edge/transport/counters.h"

namespace covet::edge {

// One of the edge's threads, each with its own event loop and connections.
class EdgeThread {
 public:
  virtual ~EdgeThread() = default;

  virtual size_t index() const = 0;
  // Runs `fn` on this thread, after what was posted before. Thread-safe. A fan-out posts once per
  // thread; the frames that one turn of the loop sends to a connection leave together. Once the
  // server has stopped, `fn` is destroyed unrun.
  virtual void Post(std::function<void()> fn) = 0;
  // As Post, not before `delay` has passed. Thread-safe. A timer each: for what a thread does, not
  // a connection (see ConnectionHandler::OnTick).
  virtual void RunAfter(std::chrono::milliseconds delay, std::function<void()> fn) = 0;
  // Steady-clock milliseconds, read once per turn; only on this thread.
  virtual int64_t NowMillis() const = 0;
  // Thread-safe.
  virtual const TransportCounters& counters() const = 0;
};

}  // namespace covet::edge
