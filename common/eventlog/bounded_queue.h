#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <utility>
#include <vector>

namespace covet::eventlog {

// A first-in first-out queue between threads whose items' costs sum up to at most `bound`; what was
// taken stays on the bill until released, so the bound covers work in progress. Thread-safe.
//
// Not absl::Mutex: packaged builds of Abseil lack what ThreadSanitizer needs to follow it.
template <typename T>
class BoundedQueue {
 public:
  explicit BoundedQueue(int64_t bound) : bound_(bound) {}
  BoundedQueue(const BoundedQueue&) = delete;
  BoundedQueue& operator=(const BoundedQueue&) = delete;

  // Drops the item and returns false if it is over the bound or the queue is closed.
  bool Push(T item, int64_t cost) {
    {
      const std::lock_guard lock(mutex_);
      if (closed_ || cost > bound_ - cost_) return false;
      Enqueue(std::move(item), cost);
    }
    not_empty_.notify_one();
    return true;
  }

  // As Push, but what finds no place enters at no cost after `refuse(item, closed)` took away what
  // is heavy in it, so that the refusal keeps its place in the order. `refuse` must not use the
  // queue.
  template <typename Refuse>
  bool PushOrRefuse(T item, int64_t cost, Refuse refuse) {
    bool accepted;
    {
      const std::lock_guard lock(mutex_);
      accepted = !closed_ && cost <= bound_ - cost_;
      if (!accepted) {
        refuse(item, closed_);
        cost = 0;
      }
      Enqueue(std::move(item), cost);
    }
    not_empty_.notify_one();
    return accepted;
  }

  // Waits for items, then appends those at hand to `out`: one at least, and no further ones that
  // would exceed `max_cost` or `max_items`. Adds their cost to `cost`. False once closed and empty.
  bool Take(int64_t max_cost, size_t max_items, std::vector<T>* out, int64_t* cost) {
    std::unique_lock lock(mutex_);
    not_empty_.wait(lock, [this] { return closed_ || !items_.empty(); });
    return TakeLocked(max_cost, max_items, out, cost);
  }
  // The same without waiting; false if it is empty.
  bool TryTake(int64_t max_cost, size_t max_items, std::vector<T>* out, int64_t* cost) {
    const std::lock_guard lock(mutex_);
    return TakeLocked(max_cost, max_items, out, cost);
  }

  void Release(int64_t cost) {
    const std::lock_guard lock(mutex_);
    cost_ -= cost;
  }

  // Nothing is accepted from now on; what is in can still be taken.
  void Close() {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    not_empty_.notify_all();
  }

  bool closed() const {
    const std::lock_guard lock(mutex_);
    return closed_;
  }

  int64_t cost() const {
    const std::lock_guard lock(mutex_);
    return cost_;
  }

 private:
  void Enqueue(T item, int64_t cost) {
    cost_ += cost;
    items_.emplace_back(std::move(item), cost);
  }

  bool TakeLocked(int64_t max_cost, size_t max_items, std::vector<T>* out, int64_t* cost) {
    if (items_.empty()) return false;
    int64_t taken = 0;
    size_t count = 0;
    while (!items_.empty() && count < max_items &&
           (count == 0 || taken + items_.front().second <= max_cost)) {
      taken += items_.front().second;
      out->push_back(std::move(items_.front().first));
      items_.pop_front();
      ++count;
    }
    *cost += taken;
    return true;
  }

  const int64_t bound_;
  mutable std::mutex mutex_;  // Guards what follows.
  std::condition_variable not_empty_;
  std::deque<std::pair<T, int64_t>> items_;
  int64_t cost_ = 0;
  bool closed_ = false;
};

}  // namespace covet::eventlog
