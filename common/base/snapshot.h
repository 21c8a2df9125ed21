#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace covet {

// An immutable value that a reload replaces as a whole: keys, roles, limits. Thread-safe.
template <typename T>
class Snapshot {
 public:
  explicit Snapshot(std::shared_ptr<const T> value) : value_(std::move(value)) {}

  Snapshot(const Snapshot&) = delete;
  Snapshot& operator=(const Snapshot&) = delete;

  // The current value; it stays valid for as long as the pointer is held. Never null.
  std::shared_ptr<const T> Get() const {
    absl::MutexLock lock(&mutex_);
    return value_;
  }

  // Replaces the value, which must not be null. Readers see it with their next Get.
  void Set(std::shared_ptr<const T> value) {
    {
      absl::MutexLock lock(&mutex_);
      value_.swap(value);
    }
    version_.fetch_add(1, std::memory_order_release);
    // The old value dies here, outside the lock.
  }

  // A thread's own view: it takes the lock only after a Set. Not thread-safe; must not outlive the
  // Snapshot.
  class Reader {
   public:
    explicit Reader(const Snapshot& source) : source_(&source) { Refresh(); }

    // The current value, good until the next call.
    const T& Get() {
      if (source_->version_.load(std::memory_order_acquire) != version_) Refresh();
      return *value_;
    }
    // Changes with each Set: what was derived from an older version is stale.
    uint64_t version() const { return version_; }

   private:
    void Refresh() {
      // Before the value: a Set in between costs one more refresh and is never missed.
      version_ = source_->version_.load(std::memory_order_acquire);
      value_ = source_->Get();
    }

    const Snapshot* source_;
    uint64_t version_ = 0;
    std::shared_ptr<const T> value_;
  };

 private:
  mutable absl::Mutex mutex_;
  std::shared_ptr<const T> value_ ABSL_GUARDED_BY(mutex_);
  std::atomic<uint64_t> version_{0};
};

}  // namespace covet
