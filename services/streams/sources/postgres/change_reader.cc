#include "services/streams/sources/postgres/change_reader.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/base/string_map.h"

namespace covet::streams::postgres {

std::string SlotPosition::Text() const {
  return absl::StrCat(system_id, " ", LsnText(at.commit_lsn), " ", at.sequence, gap ? " gap" : "");
}

std::optional<SlotPosition> SlotPosition::Parse(std::string_view text) {
  const std::vector<std::string> parts = absl::StrSplit(ToAbsl(text), ' ');
  SlotPosition position;
  if (parts.size() < 3 || parts.size() > 4 || !absl::SimpleAtoi(parts[2], &position.at.sequence))
    return std::nullopt;
  const std::optional<Lsn> lsn = ParseLsn(parts[1]);
  if (!lsn || (parts.size() == 4 && parts[3] != "gap")) return std::nullopt;
  position.gap = parts.size() == 4;
  position.system_id = parts[0];
  position.at.commit_lsn = *lsn;
  return position;
}

// A position within a transaction confirms nothing of it, and its commit is past what came before.
ChangeReader::ChangeReader(SlotPosition start)
    : position_(std::move(start)), confirmable_(position_.at.commit_lsn) {}

absl::Status ChangeReader::Take(const ReplicationFrame& frame, RecordBuffer* out) {
  if (!frame.keepalive) {
    absl::Status status = TakeMessage(frame.message, out);
    if (commit_ms_ != 0) lag_ms_ = std::max<int64_t>(0, frame.server_ms - commit_ms_);
    return status;
  }
  // Between transactions the server has sent whatever was committed before this place.
  if (!in_transaction_) {
    position_.at = std::max(position_.at, ChangePosition{frame.server_end, 0});
    confirmable_ = std::max(confirmable_, frame.server_end);
    lag_ms_ = 0;
  }
  return absl::OkStatus();
}

absl::Status ChangeReader::TakeMessage(std::string_view message, RecordBuffer* out) {
  const absl::StatusOr<MessageKind> kind = decoder_.Decode(message);
  if (!kind.ok()) return kind.status();
  switch (*kind) {
    case MessageKind::kBegin:
      if (in_transaction_) return absl::DataLossError("a transaction within a transaction");
      in_transaction_ = true;
      current_ = {decoder_.begin().commit_lsn, 0};
      commit_ms_ = decoder_.begin().commit_ms;
      writer_.SetTransaction(decoder_.begin());
      return absl::OkStatus();
    case MessageKind::kCommit:
      if (!in_transaction_) return absl::DataLossError("a commit without a transaction");
      in_transaction_ = false;
      position_.at = std::max(position_.at, ChangePosition{decoder_.commit().end_lsn, 0});
      confirmable_ = std::max(confirmable_, decoder_.commit().end_lsn);
      return absl::OkStatus();
    case MessageKind::kRelation:
      writer_.SetRelation(decoder_.relation());
      return absl::OkStatus();
    case MessageKind::kRowChange:
      return TakeRow(out);
    case MessageKind::kTruncate:
      return TakeTruncate(out);
    case MessageKind::kIgnored:
      return absl::OkStatus();
  }
  return absl::OkStatus();
}

bool ChangeReader::Advance() {
  ++current_.sequence;
  if (current_ <= position_.at) return false;
  position_.at = current_;
  return true;
}

void ChangeReader::AddRecord(RecordBuffer* out) {
  if (out->Add(record_).ok()) {
    position_.gap = false;
    return;
  }
  ++lost_;
  position_.gap = true;
  out->MarkGap();
}

absl::Status ChangeReader::TakeRow(RecordBuffer* out) {
  if (!in_transaction_) return absl::DataLossError("a change without a transaction");
  if (!Advance()) return absl::OkStatus();
  if (!writer_.WriteRow(decoder_.row_change(), current_.sequence, &record_)) {
    return absl::DataLossError("a change of a table that was not described");
  }
  AddRecord(out);
  return absl::OkStatus();
}

absl::Status ChangeReader::TakeTruncate(RecordBuffer* out) {
  if (!in_transaction_) return absl::DataLossError("a change without a transaction");
  for (const uint32_t relation : decoder_.truncate().relations) {
    if (!Advance()) continue;
    if (!writer_.WriteTruncate(relation, decoder_.truncate(), current_.sequence, &record_)) {
      return absl::DataLossError("a change of a table that was not described");
    }
    AddRecord(out);
  }
  return absl::OkStatus();
}

}  // namespace covet::streams::postgres
