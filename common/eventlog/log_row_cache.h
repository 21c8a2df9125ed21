#pragma once

#include <list>
#include <string>
#include <string_view>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "common/eventlog/log_row.h"

namespace covet::eventlog {

// The rows of the logs used last, at most `capacity`; the one unused longest goes first. Not
// thread-safe.
class LogRowCache {
 public:
  explicit LogRowCache(size_t capacity) : capacity_(capacity) {}

  // Null if it is not here. Valid until the next Insert or Erase.
  LogRow* Find(std::string_view log_id) {
    const auto it = index_.find(log_id);
    if (it == index_.end()) return nullptr;
    rows_.splice(rows_.begin(), rows_, it->second);
    return &it->second->second;
  }

  // Not called for one that is here.
  LogRow* Insert(const std::string& log_id, LogRow row) {
    if (rows_.size() >= capacity_) {
      index_.erase(rows_.back().first);
      rows_.pop_back();
    }
    rows_.emplace_front(log_id, std::move(row));
    index_.emplace(rows_.front().first, rows_.begin());
    return &rows_.front().second;
  }

  void Clear() {
    index_.clear();
    rows_.clear();
  }

  void Erase(std::string_view log_id) {
    const auto it = index_.find(log_id);
    if (it == index_.end()) return;
    const auto row = it->second;
    index_.erase(it);
    rows_.erase(row);
  }

 private:
  using Rows = std::list<std::pair<std::string, LogRow>>;
  const size_t capacity_;
  Rows rows_;                                                    // The last used first.
  absl::flat_hash_map<std::string_view, Rows::iterator> index_;  // Keys lie in `rows_`.
};

}  // namespace covet::eventlog
