#pragma once

#include <future>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/eventlog/event_log.h"

namespace covet::eventlog {

// An EventLog's calls as blocking ones, for tests and tools. Never from one of the log's callbacks.
class BlockingLog {
 public:
  // Borrows `log`.
  explicit BlockingLog(EventLog& log) : log_(log) {}

  absl::StatusOr<LogState> Create(const std::string& log_id) {
    return Wait<absl::StatusOr<LogState>>([&](auto done) { log_.Create(log_id, done); });
  }
  absl::StatusOr<LogState> Head(const std::string& log_id) {
    return Wait<absl::StatusOr<LogState>>([&](auto done) { log_.Head(log_id, done); });
  }
  absl::Status Append(Batch batch) {
    return Wait<absl::Status>([&](auto done) { log_.Append(std::move(batch), done); });
  }
  absl::StatusOr<ReadResult> Read(const std::string& log_id, int64_t after, int32_t limit,
                                  int64_t max_bytes = int64_t{1} << 30) {
    return Wait<absl::StatusOr<ReadResult>>(
        [&](auto done) { log_.Read(log_id, after, limit, max_bytes, done); });
  }
  absl::StatusOr<ReadResult> ReadSince(const std::string& log_id, int64_t since_ms, int32_t limit) {
    return Wait<absl::StatusOr<ReadResult>>(
        [&](auto done) { log_.ReadSince(log_id, since_ms, limit, done); });
  }
  absl::StatusOr<LogState> Trim(const std::string& log_id, const Retention& retention,
                                int64_t now_ms) {
    return Wait<absl::StatusOr<LogState>>(
        [&](auto done) { log_.Trim(log_id, retention, now_ms, done); });
  }
  absl::Status Delete(const std::string& log_id) {
    return Wait<absl::Status>([&](auto done) { log_.Delete(log_id, done); });
  }
  absl::Status Put(const std::string& key, const std::string& value) {
    return Wait<absl::Status>([&](auto done) { log_.Put(key, value, done); });
  }
  absl::Status Erase(const std::string& key) {
    return Wait<absl::Status>([&](auto done) { log_.Erase(key, done); });
  }
  absl::StatusOr<std::vector<std::pair<std::string, std::string>>> Scan(
      const std::string& prefix, const std::string& after_key, int32_t limit) {
    return Wait<absl::StatusOr<std::vector<std::pair<std::string, std::string>>>>(
        [&](auto done) { log_.Scan(prefix, after_key, limit, done); });
  }

 private:
  template <typename Result, typename Call>
  static Result Wait(Call call) {
    // Shared, so that the promise outlives the set_value that wakes the waiter.
    auto promise = std::make_shared<std::promise<Result>>();
    std::future<Result> result = promise->get_future();
    call([promise](Result value) { promise->set_value(std::move(value)); });
    return result.get();
  }

  EventLog& log_;
};

}  // namespace covet::eventlog
