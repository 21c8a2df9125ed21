#include "common/eventlog/write_op.h"

#include <string_view>
#include <type_traits>

#include "common/eventlog/record_codec.h"

namespace covet::eventlog {
namespace {

// For the operation itself, its callback and the queue's share.
constexpr int64_t kOperationBytes = 256;
// For a record's pointer and its shared string.
constexpr int64_t kRecordBytes = 64;

template <typename... Ts>
struct Overloaded : Ts... {
  using Ts::operator()...;
};
template <typename... Ts>
Overloaded(Ts...) -> Overloaded<Ts...>;

int64_t Size(const std::string& text) { return static_cast<int64_t>(text.size()); }

bool IsWellEncoded(const Batch& batch) {
  if (!batch.records.empty()) return false;
  RecordCursor cursor(*batch.encoded);
  std::string_view record;
  int64_t count = 0;
  while (cursor.Next(&record)) ++count;
  return cursor.AtEnd() && count == batch.encoded_count;
}

}  // namespace

int64_t WriteCost(const WriteOp& op) {
  return kOperationBytes +
         std::visit(Overloaded{
                        [](const CreateOp& call) { return Size(call.log_id); },
                        [](const AppendOp& call) {
                          return Size(call.batch.log_id) + RecordBytes(call.batch) +
                                 kRecordBytes * static_cast<int64_t>(call.batch.records.size());
                        },
                        [](const TrimOp& call) { return Size(call.log_id); },
                        [](const DeleteOp& call) { return Size(call.log_id); },
                        [](const PutOp& call) { return Size(call.key) + Size(call.value); },
                        [](const EraseOp& call) { return Size(call.key); },
                    },
                    op.call);
}

void Refuse(WriteOp& op, absl::Status why) {
  op.refusal = std::move(why);
  if (auto* append = std::get_if<AppendOp>(&op.call)) append->batch = {};
  if (auto* put = std::get_if<PutOp>(&op.call)) put->value = {};
}

absl::Status Validate(const WriteOp& op) {
  if (const auto* append = std::get_if<AppendOp>(&op.call)) {
    const Batch& batch = append->batch;
    if (RecordCount(batch) == 0) return absl::InvalidArgumentError("a batch has no record");
    if (batch.encoded != nullptr && !IsWellEncoded(batch)) {
      return absl::InvalidArgumentError("a batch is not what EncodeRecords writes");
    }
  }
  const bool empty = std::visit(Overloaded{
                                    [](const AppendOp& call) { return call.batch.log_id.empty(); },
                                    [](const PutOp& call) { return call.key.empty(); },
                                    [](const EraseOp& call) { return call.key.empty(); },
                                    [](const auto& call) { return call.log_id.empty(); },
                                },
                                op.call);
  return empty ? absl::InvalidArgumentError("a log id or key is empty") : absl::OkStatus();
}

void Finish(WriteOp& op, Outcome outcome) {
  std::visit(
      [&outcome](auto& call) {
        if constexpr (std::is_same_v<decltype(call.done), EventLog::StateCallback>) {
          if (outcome.status.ok()) {
            call.done(std::move(outcome.state));
          } else {
            call.done(std::move(outcome.status));
          }
        } else {
          call.done(std::move(outcome.status));
        }
      },
      op.call);
}

int64_t RecordBytes(const Batch& batch) {
  int64_t bytes = 0;
  if (batch.encoded != nullptr) {
    RecordCursor cursor(*batch.encoded);
    std::string_view record;
    while (cursor.Next(&record)) bytes += static_cast<int64_t>(record.size());
    return bytes;
  }
  for (const auto& record : batch.records) bytes += Size(*record);
  return bytes;
}

int64_t RecordCount(const Batch& batch) {
  return batch.encoded != nullptr ? batch.encoded_count
                                  : static_cast<int64_t>(batch.records.size());
}

}  // namespace covet::eventlog
