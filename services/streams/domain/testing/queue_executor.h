#pragma once

#include <deque>
#include <functional>
#include <utility>

#include "common/base/executor.h"

namespace covet::streams {

// Runs what was posted when it is told to; for tests, on one thread.
class QueueExecutor final : public Executor {
 public:
  void Post(std::function<void()> closure) override { closures_.push_back(std::move(closure)); }

  // Until nothing is left.
  void Run() {
    while (!closures_.empty()) {
      const std::function<void()> closure = std::move(closures_.front());
      closures_.pop_front();
      closure();
    }
  }

 private:
  std::deque<std::function<void()>> closures_;
};

}  // namespace covet::streams
