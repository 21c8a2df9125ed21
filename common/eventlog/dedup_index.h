#pragma once

#include <boost/container/deque.hpp>
#include <cstdint>
#include <limits>
#include <optional>
#include <string_view>

#include "absl/container/flat_hash_map.h"

namespace covet::eventlog {

// Which idempotency keys a log has seen, and at which offset. A key is a 64-bit hash of user and
// key. Memory follows the rate of records times the window, up to `max_keys`; entries go as time
// passes, and the oldest beyond the bound. Not thread-safe.
class DedupIndex {
 public:
  // The client's keys live for `client_window_ms`. An edge's own exist to repeat a publish over a
  // broken link and need not outlive its retries.
  explicit DedupIndex(int64_t client_window_ms,
                      size_t max_keys = std::numeric_limits<size_t>::max())
      : client_window_ms_(client_window_ms), max_keys_(max_keys) {}

  static constexpr int64_t kEdgeWindowMs = 60'000;

  // A stable hash, the first 64 bits of SHA-256; never 0.
  static uint64_t Hash(std::string_view user_id, std::string_view key);

  // `now_ms` never goes back.
  std::optional<int64_t> Find(uint64_t hash, int64_t now_ms);
  void Add(uint64_t hash, int64_t offset, bool edge_key, int64_t now_ms);
  // Forgets an entry whose append failed.
  void Remove(uint64_t hash) { offsets_.erase(hash); }
  size_t size() const { return offsets_.size(); }

 private:
  struct Expiry {
    int64_t at_ms;
    uint64_t hash;
    int64_t offset;
  };
  void Expire(boost::container::deque<Expiry>& queue, int64_t now_ms);

  void Drop(boost::container::deque<Expiry>& queue);

  const int64_t client_window_ms_;
  const size_t max_keys_;  // Of each kind.
  absl::flat_hash_map<uint64_t, int64_t> offsets_;
  boost::container::deque<Expiry> client_expiries_;
  boost::container::deque<Expiry> edge_expiries_;
};

}  // namespace covet::eventlog
