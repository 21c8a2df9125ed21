#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"

namespace covet::server {

// What the main thread waits for. Requests of one kind that come before it looks are one.
// Thread-safe.
class Control {
 public:
  enum class Event : uint8_t { kStop, kReload };

  void RequestStop() {
    Set([this] { stop_ = true; });
  }
  void RequestReload() {
    Set([this] { reload_ = true; });
  }
  // Stops because of an error; the first one is kept.
  void Fail(absl::Status status) {
    Set([&] {
      stop_ = true;
      if (failure_.ok()) failure_ = std::move(status);
    });
  }

  // The next request; a stop goes before a reload and is told each time.
  Event Wait() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return stop_ || reload_; });
    if (stop_) return Event::kStop;
    reload_ = false;
    return Event::kReload;
  }

  absl::Status failure() {
    std::lock_guard lock(mutex_);
    return failure_;
  }

 private:
  template <typename Change>
  void Set(Change change) {
    {
      std::lock_guard lock(mutex_);
      change();
    }
    changed_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  bool stop_ ABSL_GUARDED_BY(mutex_) = false;
  bool reload_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status failure_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace covet::server
