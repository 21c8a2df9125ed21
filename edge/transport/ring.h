#pragma once

#include <cassert>
#include <cstdint>
#include <memory>
#include <utility>

namespace covet::edge {

// A FIFO over one array that costs nothing while empty and unused. Elements keep their position,
// counted from the first one ever pushed, until they leave. Not thread-safe.
template <typename T>
class Ring {
 public:
  bool empty() const { return size_ == 0; }
  uint32_t size() const { return size_; }
  uint32_t capacity() const { return capacity_; }
  // The position of the front; positions wrap, so compare them by difference.
  uint32_t front_position() const { return base_; }
  uint32_t end_position() const { return base_ + size_; }

  T& front() { return slots_[head_]; }
  T& back() { return slots_[Index(size_ - 1)]; }
  T& at(uint32_t position) { return slots_[Index(position - base_)]; }
  const T& at(uint32_t position) const { return slots_[Index(position - base_)]; }

  void push_back(T value) {
    if (size_ == capacity_) Reallocate(capacity_ == 0 ? kFirstCapacity : capacity_ * 2);
    slots_[Index(size_)] = std::move(value);
    ++size_;
  }

  void pop_front() {
    assert(size_ > 0);
    slots_[head_] = T();
    head_ = (head_ + 1) & (capacity_ - 1);
    --size_;
    ++base_;
  }

  // Keeps the elements for which `keep(element)` holds; positions change.
  template <typename Keep>
  void Filter(Keep keep) {
    uint32_t kept = 0;
    for (uint32_t i = 0; i < size_; ++i) {
      T& element = slots_[Index(i)];
      if (!keep(element)) continue;
      if (kept != i) slots_[Index(kept)] = std::move(element);
      ++kept;
    }
    for (uint32_t i = kept; i < size_; ++i) slots_[Index(i)] = T();
    size_ = kept;
  }

  // Gives the array back if nothing is queued.
  void ReleaseIfEmpty() {
    if (size_ > 0 || capacity_ == 0) return;
    slots_.reset();
    capacity_ = 0;
    head_ = 0;
  }

 private:
  static constexpr uint32_t kFirstCapacity = 2;

  uint32_t Index(uint32_t offset) const { return (head_ + offset) & (capacity_ - 1); }

  void Reallocate(uint32_t capacity) {
    auto slots = std::make_unique<T[]>(capacity);
    for (uint32_t i = 0; i < size_; ++i) slots[i] = std::move(slots_[Index(i)]);
    slots_ = std::move(slots);
    capacity_ = capacity;
    head_ = 0;
  }

  std::unique_ptr<T[]> slots_;
  uint32_t capacity_ = 0;  // A power of two, or 0.
  uint32_t head_ = 0;
  uint32_t size_ = 0;
  uint32_t base_ = 0;
};

}  // namespace covet::edge
