#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"

namespace covet::files {

// Threads that take closures in the order of Post, for work that blocks. What waits is not bounded
// here: whoever posts bounds what it has under way. Thread-safe.
class WorkQueue {
 public:
  // `name`: at most 15 characters.
  WorkQueue(const std::string& name, int threads);
  // As Stop.
  ~WorkQueue();

  // Does nothing after Stop.
  void Post(std::function<void()> work);
  // Runs what was posted, then ends the threads. Idempotent; not from one of them.
  void Stop();

 private:
  void Run();

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> queue_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_;
};

}  // namespace covet::files
