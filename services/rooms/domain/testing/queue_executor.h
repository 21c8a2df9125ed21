#pragma once

#include <deque>
#include <functional>
#include <utility>

#include "common/base/executor.h"

namespace covet::rooms {

// Runs what was posted when the test says so.
class QueueExecutor final : public Executor {
 public:
  void Post(std::function<void()> closure) override { closures_.push_back(std::move(closure)); }

  // Runs closures, those that they post too, until none is left.
  void Run() {
    while (!closures_.empty()) RunOne();
  }
  // Runs the oldest one; there must be one.
  void RunOne() {
    const std::function<void()> closure = std::move(closures_.front());
    closures_.pop_front();
    closure();
  }

 private:
  std::deque<std::function<void()>> closures_;
};

}  // namespace covet::rooms
