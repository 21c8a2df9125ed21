#include "tests/simulation/sim_log.h"

#include <algorithm>
#include <utility>

namespace covet::sim {

using eventlog::LogState;
using eventlog::ReadResult;
using eventlog::Record;

SimLog::~SimLog() {
  // A kill between commit and callback: the disk has it, nobody knows.
  if (!committing_.empty() && kernel_.Chance(50)) {
    for (const Write& write : committing_) write();
  }
}

void SimLog::Queue(Write write) {
  waiting_.push_back(std::move(write));
  if (committing_.empty()) Commit();
}

void SimLog::Commit() {
  committing_ = std::exchange(waiting_, {});
  kernel_.After(kernel_.Random(1, max_commit_us_), [this, alive = std::weak_ptr<bool>(alive_)] {
    if (alive.expired()) return;
    std::vector<std::function<void()>> calls;
    for (const Write& write : std::exchange(committing_, {})) calls.push_back(write());
    for (const auto& call : calls) call();
    if (!waiting_.empty() && committing_.empty()) Commit();
  });
}

void SimLog::Later(std::function<void()> call) {
  kernel_.After(kernel_.Random(1, 300),
                [alive = std::weak_ptr<bool>(alive_), call = std::move(call)] {
                  if (!alive.expired()) call();
                });
}

void SimLog::Create(std::string log_id, StateCallback done) {
  Queue([this, log_id, done] {
    auto [it, made] = disk_.logs.try_emplace(log_id);
    if (made) it->second.state.epoch = kernel_.ids().NewId("").substr(0, 8);
    return [done, state = it->second.state] { done(state); };
  });
}

void SimLog::Head(std::string log_id, StateCallback done) {
  Later([this, log_id, done] {
    const auto it = disk_.logs.find(log_id);
    if (it == disk_.logs.end()) return done(absl::NotFoundError(log_id));
    done(it->second.state);
  });
}

void SimLog::Append(eventlog::Batch batch, StatusCallback done) {
  Queue([this, batch, done]() -> std::function<void()> {
    const auto it = disk_.logs.find(batch.log_id);
    if (it == disk_.logs.end()) return [done] { done(absl::NotFoundError("no log")); };
    LogState& state = it->second.state;
    if (state.epoch != batch.epoch) return [done] { done(absl::FailedPreconditionError("epoch")); };
    if (batch.first_offset != state.last_offset + 1) {
      return [done] { done(absl::AbortedError("offset")); };
    }
    if (batch.time_ms < it->second.time_ms) disk_.broken = batch.log_id + ": time went back";
    it->second.time_ms = batch.time_ms;
    for (const auto& record : batch.records) {
      it->second.records.push_back({++state.last_offset, batch.time_ms, *record});
      state.bytes += static_cast<int64_t>(record->size());
    }
    return [done] { done(absl::OkStatus()); };
  });
}

void SimLog::Read(std::string log_id, int64_t after, int32_t limit, int64_t max_bytes,
                  ReadCallback done) {
  Later([this, log_id, after, limit, max_bytes, done] {
    const auto it = disk_.logs.find(log_id);
    if (it == disk_.logs.end()) return done(absl::NotFoundError(log_id));
    ReadResult result{it->second.state, {}};
    int64_t bytes = 0;
    for (const Record& record : it->second.records) {
      if (record.offset <= after) continue;
      bytes += static_cast<int64_t>(record.data.size());
      const bool full = static_cast<int32_t>(result.records.size()) >= limit || bytes > max_bytes;
      if (full && !result.records.empty()) break;
      result.records.push_back(record);
    }
    done(std::move(result));
  });
}

void SimLog::ReadSince(std::string log_id, int64_t since_ms, int32_t limit, ReadCallback done) {
  Later([this, log_id, since_ms, limit, done] {
    const auto it = disk_.logs.find(log_id);
    if (it == disk_.logs.end()) return done(absl::NotFoundError(log_id));
    ReadResult result{it->second.state, {}};
    for (const Record& record : it->second.records) {
      if (record.time_ms >= since_ms) result.records.push_back(record);
    }
    while (static_cast<int32_t>(result.records.size()) > limit) {
      result.records.erase(result.records.begin());
    }
    done(std::move(result));
  });
}

void SimLog::Trim(std::string log_id, eventlog::Retention retention, int64_t now_ms,
                  StateCallback done) {
  Queue([this, log_id, retention, now_ms, done]() -> std::function<void()> {
    const auto it = disk_.logs.find(log_id);
    if (it == disk_.logs.end()) return [done] { done(absl::NotFoundError("no log")); };
    Disk::Log& log = it->second;
    const auto over = [&] {
      if (log.records.empty()) return false;
      const Record& oldest = log.records.front();
      return (retention.max_age_ms > 0 && oldest.time_ms < now_ms - retention.max_age_ms) ||
             (retention.max_count > 0 &&
              static_cast<int64_t>(log.records.size()) > retention.max_count) ||
             (retention.max_bytes > 0 && log.state.bytes > retention.max_bytes);
    };
    while (over()) {
      log.state.bytes -= static_cast<int64_t>(log.records.front().data.size());
      log.records.pop_front();
      ++log.state.first_offset;
    }
    return [done, state = log.state] { done(state); };
  });
}

void SimLog::Delete(std::string log_id, StatusCallback done) {
  Queue([this, log_id, done] {
    disk_.logs.erase(log_id);
    return [done] { done(absl::OkStatus()); };
  });
}

void SimLog::Put(std::string key, std::string value, StatusCallback done) {
  Queue([this, key, value, done] {
    disk_.values[key] = value;
    return [done] { done(absl::OkStatus()); };
  });
}

void SimLog::Erase(std::string key, StatusCallback done) {
  Queue([this, key, done] {
    disk_.values.erase(key);
    return [done] { done(absl::OkStatus()); };
  });
}

void SimLog::Scan(std::string prefix, std::string after_key, int32_t limit, ScanCallback done) {
  Later([this, prefix, after_key, limit, done] {
    std::vector<std::pair<std::string, std::string>> pairs;
    for (auto it = disk_.values.upper_bound(after_key); it != disk_.values.end(); ++it) {
      if (!it->first.starts_with(prefix)) {
        if (it->first > prefix) break;
        continue;
      }
      if (static_cast<int32_t>(pairs.size()) == limit) break;
      pairs.push_back(*it);
    }
    done(std::move(pairs));
  });
}

}  // namespace covet::sim
