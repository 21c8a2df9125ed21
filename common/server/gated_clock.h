#pragma once

#include <pthread.h>

#include <array>
#include <cstdint>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "common/base/clock.h"

namespace covet::server {

// For tests: the machine's clock, which holds up whoever asks it while it is closed. Thread-safe.
class GatedClock final : public Clock {
 public:
  // Holds up the threads of this name only; any if it is empty.
  explicit GatedClock(std::string thread_name = "") : thread_name_(std::move(thread_name)) {}

  int64_t WallMillis() const override { return SystemClock().WallMillis() + Pass(); }
  int64_t SteadyMicros() const override {
    Pass();
    return SystemClock().SteadyMicros();
  }

  void Close() {
    absl::MutexLock lock(&mutex_);
    closed_ = true;
  }
  // Returns once somebody is held up.
  void AwaitHeld() const {
    absl::MutexLock lock(&mutex_);
    mutex_.Await(absl::Condition(
        +[](int* held) { return *held > 0; }, &held_));
  }
  void Open() {
    absl::MutexLock lock(&mutex_);
    closed_ = false;
  }
  // The wall clock goes ahead of the machine's.
  void SetAhead(int64_t ms) {
    absl::MutexLock lock(&mutex_);
    ahead_ms_ = ms;
  }

 private:
  // Returns by how much the wall clock is ahead once the gate is open.
  int64_t Pass() const {
    absl::MutexLock lock(&mutex_);
    if (IsHeldUp()) {
      ++held_;
      mutex_.Await(absl::Condition(
          +[](const bool* closed) { return !*closed; }, &closed_));
      --held_;
    }
    return ahead_ms_;
  }
  bool IsHeldUp() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (!closed_ || thread_name_.empty()) return closed_;
    std::array<char, 16> name{};
    pthread_getname_np(pthread_self(), name.data(), name.size());
    return thread_name_ == name.data();
  }

  const std::string thread_name_;
  mutable absl::Mutex mutex_;
  mutable int held_ ABSL_GUARDED_BY(mutex_) = 0;
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
  int64_t ahead_ms_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace covet::server
