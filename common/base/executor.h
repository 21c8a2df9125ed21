#pragma once

#include <functional>

namespace covet {

// Runs closures one at a time, in order. Thread-safe. What a domain core runs on: a thread's
// io_context in production, the event queue of a simulation in tests.
class Executor {
 public:
  virtual ~Executor() = default;
  virtual void Post(std::function<void()> closure) = 0;
};

}  // namespace covet
