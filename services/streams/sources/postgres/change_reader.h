#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "services/streams/domain/record_buffer.h"
#include "services/streams/sources/postgres/change_record.h"
#include "services/streams/sources/postgres/pgoutput.h"

namespace covet::streams::postgres {

// How far a slot's stream is kept: every change up to and including `at`. The end of a transaction
// is (its end, 0), before whatever follows.
struct SlotPosition {
  std::string system_id;  // Of the cluster; places of different clusters do not compare.
  ChangePosition at;
  // Changes before it are lost, and no record tells so yet.
  bool gap = false;

  std::string Text() const;
  // None for what Text did not make.
  static std::optional<SlotPosition> Parse(std::string_view text);
};

// Turns the frames of one replication session into records, leaving out what `start` says is kept.
// No I/O. Not thread-safe.
class ChangeReader {
 public:
  explicit ChangeReader(SlotPosition start);

  // Adds the records of a frame. DATA_LOSS for frames that make no sense. A record that the log
  // does not take becomes a gap, which `lost` counts.
  absl::Status Take(const ReplicationFrame& frame, RecordBuffer* out);

  // Of everything taken, for RecordBuffer::SetPosition.
  SlotPosition position() const { return position_; }
  // What may be confirmed to the server once everything taken is kept: the end of the last whole
  // transaction.
  Lsn confirmable() const { return confirmable_; }
  bool in_transaction() const { return in_transaction_; }
  // How long the newest transaction had been committed when it was sent, by the server's clock; 0
  // where there is nothing more.
  int64_t lag_ms() const { return lag_ms_; }
  // Changes that became no record.
  int64_t lost() const { return lost_; }

 private:
  absl::Status TakeMessage(std::string_view message, RecordBuffer* out);
  absl::Status TakeRow(RecordBuffer* out);
  absl::Status TakeTruncate(RecordBuffer* out);
  // Whether the transaction's next change is new; moves on.
  bool Advance();
  void AddRecord(RecordBuffer* out);

  MessageDecoder decoder_;
  ChangeRecordWriter writer_{kMaxRecordBytes};
  SlotPosition position_;
  Lsn confirmable_;
  ChangePosition current_;  // Of the change that came last in the open transaction.
  bool in_transaction_ = false;
  int64_t commit_ms_ = 0;
  int64_t lag_ms_ = 0;
  int64_t lost_ = 0;
  std::string record_;
};

}  // namespace covet::streams::postgres
