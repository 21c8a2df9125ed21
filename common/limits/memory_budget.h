#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>

namespace covet::limits {

// How much of the process's memory for queues is taken.
enum class MemoryLevel : uint8_t {
  kNormal,
  kHigh,      // Over 80 %: new joins and uploads are refused (UNAVAILABLE).
  kCritical,  // Over 95 %: the largest queues are cut as well.
};

// One account of bytes for all queues of a process. Nothing is refused here: whoever queues asks
// for the level. Thread-safe and cheap: threads add to shards of their own, which reach the total
// in batches, so used() may lag by up to 1/64 of the limit and by 1 MiB.
class MemoryBudget {
 public:
  // `limit_bytes` is positive.
  explicit MemoryBudget(int64_t limit_bytes);

  MemoryBudget(const MemoryBudget&) = delete;
  MemoryBudget& operator=(const MemoryBudget&) = delete;

  // Adds to, or with a negative number takes from, what is used. MemoryCharge does so without a
  // slip.
  void Add(int64_t bytes);

  int64_t limit() const { return limit_; }
  int64_t used() const { return used_.load(std::memory_order_relaxed); }
  MemoryLevel level() const;
  // Bytes that must be freed to leave kCritical; 0 at other levels.
  int64_t excess() const;

 private:
  static constexpr size_t kShards = 16;
  struct alignas(64) Shard {
    std::atomic<int64_t> pending{0};
  };

  const int64_t limit_;
  const int64_t high_;
  const int64_t critical_;
  const int64_t batch_;
  std::atomic<int64_t> used_{0};
  std::array<Shard, kShards> shards_;
};

// The bytes that one queue holds; given back when it goes. Movable; not thread-safe; the budget
// must outlive it.
class MemoryCharge {
 public:
  MemoryCharge() = default;
  explicit MemoryCharge(MemoryBudget* budget, int64_t bytes = 0);
  ~MemoryCharge();
  MemoryCharge(MemoryCharge&& other) noexcept;
  MemoryCharge& operator=(MemoryCharge&& other) noexcept;

  void Add(int64_t bytes);
  void Release(int64_t bytes) { Add(-bytes); }
  int64_t bytes() const { return bytes_; }

 private:
  MemoryBudget* budget_ = nullptr;
  int64_t bytes_ = 0;
};

// The memory that this process may use: the least of its cgroup's limits (v2 or v1, parents
// included) and the machine's RAM. Reads /proc and /sys below `root`, which is empty but in tests.
int64_t DetectMemoryLimit(const std::string& root = "");

// The budget that configuration's 0 stands for: half of what the process may use.
inline int64_t DefaultMemoryBudget() { return DetectMemoryLimit() / 2; }

}  // namespace covet::limits
