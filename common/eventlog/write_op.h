#pragma once

#include <string>
#include <utility>
#include <variant>

#include "absl/status/status.h"
#include "common/eventlog/event_log.h"

namespace covet::eventlog {

// The writing calls of an EventLog as values, for the queues of its implementations.

struct CreateOp {
  std::string log_id;
  EventLog::StateCallback done;
};
struct AppendOp {
  Batch batch;
  EventLog::StatusCallback done;
};
struct TrimOp {
  std::string log_id;
  Retention retention;
  int64_t now_ms = 0;
  EventLog::StateCallback done;
};
struct DeleteOp {
  std::string log_id;
  EventLog::StatusCallback done;
};
struct PutOp {
  std::string key;
  std::string value;
  EventLog::StatusCallback done;
};
struct EraseOp {
  std::string key;
  EventLog::StatusCallback done;
};

// How an operation ended; `state` is for Create and Trim.
struct Outcome {
  absl::Status status;
  LogState state;
};

struct WriteOp {
  std::variant<CreateOp, AppendOp, TrimOp, DeleteOp, PutOp, EraseOp> call;
  // Not OK if the operation was refused before it reached the log.
  absl::Status refusal;
};

// Bytes that `op` holds while it waits, bookkeeping included.
int64_t WriteCost(const WriteOp& op);
// Marks `op` as refused and frees what is heavy in it.
void Refuse(WriteOp& op, absl::Status why);
// INVALID_ARGUMENT for what no implementation takes: empty ids, keys and batches.
absl::Status Validate(const WriteOp& op);
// Runs the callback.
void Finish(WriteOp& op, Outcome outcome);

// Of data, without what keeping it costs.
int64_t RecordBytes(const Batch& batch);
int64_t RecordCount(const Batch& batch);

}  // namespace covet::eventlog
