#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <string>
#include <string_view>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "common/base/string_map.h"

namespace covet::limits {

// Small states by key, shared between threads: 16 shards, a lock each. Bounded: at `max_keys` the
// state used longest ago goes, whatever it says (counted in evictions()); the memory bound matters
// more than one key's history. States that say nothing any more, by V::Idle(now_us), go on their
// own as new keys come. V is default-constructed.
template <typename V>
class KeyedStore {
 public:
  explicit KeyedStore(size_t max_keys) : max_per_shard_(std::max<size_t>(max_keys / kShards, 1)) {}

  // Calls `f(V&)` with the state of the key, a new one if there is none, under its shard's lock:
  // `f` must be short and must not come back here. Returns what `f` returns.
  template <typename F>
  auto Update(std::string_view key, int64_t now_us, F&& f) {
    Shard& shard = ShardOf(key);
    absl::MutexLock lock(&shard.mutex);
    if (const auto it = shard.index.find(key); it != shard.index.end()) {
      shard.entries.splice(shard.entries.begin(), shard.entries, it->second);
      return f(it->second->value);
    }
    MakeRoom(shard, now_us);
    shard.entries.push_front({std::string(key), V()});
    // The index refers to the key within the list's node, which stays where it is.
    shard.index.emplace(shard.entries.front().key, shard.entries.begin());
    return f(shard.entries.front().value);
  }

  // A copy of the state of the key, a new one if there is none. Does not count as use.
  V Get(std::string_view key) const {
    const Shard& shard = ShardOf(key);
    absl::MutexLock lock(&shard.mutex);
    const auto it = shard.index.find(key);
    return it == shard.index.end() ? V() : it->second->value;
  }

  size_t size() const {
    size_t total = 0;
    for (const Shard& shard : shards_) {
      absl::MutexLock lock(&shard.mutex);
      total += shard.entries.size();
    }
    return total;
  }
  // How many states were lost to the bound.
  int64_t evictions() const { return evictions_.load(std::memory_order_relaxed); }

 private:
  static constexpr size_t kShards = 16;
  // Two out for one in: what is idle goes faster than new keys come.
  static constexpr int kSweepPerInsert = 2;

  struct Entry {
    std::string key;
    V value;
  };
  struct Shard {
    mutable absl::Mutex mutex;
    std::list<Entry> entries ABSL_GUARDED_BY(mutex);  // Most recently used first.
    absl::flat_hash_map<std::string_view, typename std::list<Entry>::iterator, StringViewHash,
                        std::equal_to<>>
        index ABSL_GUARDED_BY(mutex);
  };

  static size_t ShardIndex(std::string_view key) {
    // The top bits; the shard's own table goes by the lower ones.
    return (StringViewHash()(key) >> (8 * sizeof(size_t) - 4)) % kShards;
  }
  Shard& ShardOf(std::string_view key) { return shards_[ShardIndex(key)]; }
  const Shard& ShardOf(std::string_view key) const { return shards_[ShardIndex(key)]; }

  void MakeRoom(Shard& shard, int64_t now_us) ABSL_EXCLUSIVE_LOCKS_REQUIRED(shard.mutex) {
    for (int i = 0; i < kSweepPerInsert && !shard.entries.empty(); ++i) {
      if (!shard.entries.back().value.Idle(now_us)) break;
      DropOldest(shard);
    }
    if (shard.entries.size() >= max_per_shard_) {
      DropOldest(shard);
      evictions_.fetch_add(1, std::memory_order_relaxed);
    }
  }
  static void DropOldest(Shard& shard) ABSL_EXCLUSIVE_LOCKS_REQUIRED(shard.mutex) {
    shard.index.erase(std::string_view(shard.entries.back().key));
    shard.entries.pop_back();
  }

  const size_t max_per_shard_;
  std::array<Shard, kShards> shards_;
  std::atomic<int64_t> evictions_{0};
};

}  // namespace covet::limits
