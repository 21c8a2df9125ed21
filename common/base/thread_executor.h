#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "common/base/executor.h"

namespace covet {

// A thread that runs closures in the order of Post, and `tick` about every `tick_ms` between them.
// What waits is not bounded here: whoever posts bounds what it has under way.
class ThreadExecutor final : public Executor {
 public:
  // `name`: at most 15 characters, for debuggers.
  ThreadExecutor(std::string name, int64_t tick_ms, std::function<void()> tick);
  // As Stop.
  ~ThreadExecutor() override;

  // Thread-safe. Does nothing after Stop.
  void Post(std::function<void()> closure) override;
  // Runs what was posted, then ends the thread. Not from the thread itself. Idempotent.
  void Stop();

 private:
  void Run();

  const std::string name_;
  const int64_t tick_ms_;
  const std::function<void()> tick_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<std::function<void()>> closures_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace covet
