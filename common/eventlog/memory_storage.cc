#include "common/eventlog/memory_storage.h"

#include <algorithm>
#include <limits>
#include <string_view>

#include "common/eventlog/log_errors.h"
#include "common/eventlog/record_codec.h"
#include "common/eventlog/retention.h"

namespace covet::eventlog {

Outcome MemoryStorage::Apply(const WriteOp& op, IdGenerator& ids) {
  if (!op.refusal.ok()) return {op.refusal, {}};
  return std::visit([&](const auto& call) { return ApplyCall(call, ids); }, op.call);
}

Outcome MemoryStorage::ApplyCall(const CreateOp& call, IdGenerator& ids) {
  const auto [it, made] = logs_.try_emplace(call.log_id);
  if (made) it->second.state.epoch = ids.NewId("");
  return {absl::OkStatus(), it->second.state};
}

Outcome MemoryStorage::ApplyCall(const AppendOp& call, IdGenerator&) {
  const auto it = logs_.find(call.batch.log_id);
  if (it == logs_.end()) return {NoSuchLog(call.batch.log_id), {}};
  LogState& state = it->second.state;
  if (absl::Status status = CheckFence(call.batch, state.epoch, state.last_offset); !status.ok()) {
    return {status, {}};
  }
  StoredBatch batch{.first_offset = call.batch.first_offset,
                    .time_ms = call.batch.time_ms,
                    .bytes = RecordBytes(call.batch),
                    .count = RecordCount(call.batch),
                    .records = call.batch.records,
                    .encoded = call.batch.encoded};
  state.last_offset = batch.end_offset() - 1;
  state.bytes += batch.bytes;
  it->second.batches.push_back(std::move(batch));
  return {};
}

Outcome MemoryStorage::ApplyCall(const TrimOp& call, IdGenerator&) {
  const auto it = logs_.find(call.log_id);
  if (it == logs_.end()) return {NoSuchLog(call.log_id), {}};
  auto& [state, batches] = it->second;
  const int64_t step_end = state.first_offset + kTrimStepRecords;
  for (bool first = true; !batches.empty(); first = false) {
    const StoredBatch& batch = batches.front();
    if (!first && batch.end_offset() > step_end) break;
    const BatchExtent extent{.last_offset = batch.end_offset() - 1,
                             .count = batch.count,
                             .time_ms = batch.time_ms,
                             .bytes = batch.bytes,
                             .newer_records = state.last_offset - batch.end_offset() + 1,
                             .newer_bytes = state.bytes - batch.bytes};
    if (!Expired(call.retention, call.now_ms, extent)) break;
    state.first_offset = batch.end_offset();
    state.bytes -= batch.bytes;
    batches.pop_front();
  }
  return {absl::OkStatus(), state};
}

Outcome MemoryStorage::ApplyCall(const DeleteOp& call, IdGenerator&) {
  logs_.erase(call.log_id);
  return {};
}

Outcome MemoryStorage::ApplyCall(const PutOp& call, IdGenerator&) {
  values_[call.key] = call.value;
  return {};
}

Outcome MemoryStorage::ApplyCall(const EraseOp& call, IdGenerator&) {
  values_.erase(call.key);
  return {};
}

absl::StatusOr<LogState> MemoryStorage::Head(const std::string& log_id) {
  const auto it = logs_.find(log_id);
  if (it == logs_.end()) return NoSuchLog(log_id);
  return it->second.state;
}

absl::StatusOr<ReadResult> MemoryStorage::Read(const std::string& log_id, int64_t after,
                                               int32_t limit, int64_t max_bytes) {
  const auto log = logs_.find(log_id);
  if (log == logs_.end()) return NoSuchLog(log_id);
  const auto& [state, batches] = log->second;
  ReadResult result{state, {}};
  int64_t bytes = 0;
  auto batch = std::upper_bound(
      batches.begin(), batches.end(), after + 1,
      [](int64_t offset, const StoredBatch& b) { return offset < b.end_offset(); });
  for (; batch != batches.end(); ++batch) {
    RecordCursor cursor(batch->encoded == nullptr ? std::string_view() : *batch->encoded);
    for (int64_t offset = batch->first_offset; offset < batch->end_offset(); ++offset) {
      std::string_view data;
      if (batch->encoded == nullptr) {
        data = *batch->records[static_cast<size_t>(offset - batch->first_offset)];
      } else {
        cursor.Next(&data);
      }
      if (offset <= after) continue;
      if (static_cast<int64_t>(result.records.size()) >= limit) return result;
      bytes += static_cast<int64_t>(data.size());
      if (bytes > max_bytes && !result.records.empty()) return result;
      result.records.push_back({offset, batch->time_ms, std::string(data)});
    }
  }
  return result;
}

absl::StatusOr<ReadResult> MemoryStorage::ReadSince(const std::string& log_id, int64_t since_ms,
                                                    int32_t limit) {
  const auto log = logs_.find(log_id);
  if (log == logs_.end()) return NoSuchLog(log_id);
  const auto& [state, batches] = log->second;
  int64_t after = state.last_offset;
  for (auto batch = batches.rbegin(); batch != batches.rend(); ++batch) {
    if (batch->time_ms < since_ms || state.last_offset - after >= limit) break;
    after = batch->first_offset - 1;
  }
  after = std::max(after, state.last_offset - std::max(limit, 0));
  return Read(log_id, after, limit, std::numeric_limits<int64_t>::max());
}

absl::StatusOr<std::vector<std::pair<std::string, std::string>>> MemoryStorage::Scan(
    const std::string& prefix, const std::string& after_key, int32_t limit) {
  std::vector<std::pair<std::string, std::string>> pairs;
  auto it = after_key < prefix ? values_.lower_bound(prefix) : values_.upper_bound(after_key);
  for (; it != values_.end() && static_cast<int64_t>(pairs.size()) < limit; ++it) {
    if (std::string_view(it->first).substr(0, prefix.size()) != prefix) break;
    pairs.emplace_back(*it);
  }
  return pairs;
}

}  // namespace covet::eventlog
