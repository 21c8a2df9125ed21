#include "services/streams/sources/postgres/pgoutput.h"

#include <boost/endian/conversion.hpp>

#include "absl/status/status.h"

namespace covet::streams::postgres {
namespace {

constexpr int64_t kPostgresEpochMs = 946'684'800'000;  // 2000-01-01.

int64_t UnixMillis(int64_t postgres_us) {
  // Rounded down, before the epoch too.
  const int64_t ms = postgres_us / 1000 - (postgres_us % 1000 < 0 ? 1 : 0);
  return ms + kPostgresEpochMs;
}

// Reads big-endian fields. Past the end every field is 0 and `ok` stays false.
class Reader {
 public:
  explicit Reader(std::string_view data) : rest_(data) {}

  bool ok() const { return ok_; }
  // Whether everything was read, and nothing beyond.
  bool done() const { return ok_ && rest_.empty(); }

  uint8_t Byte() { return Fixed<uint8_t>(); }
  uint16_t Int16() { return Fixed<uint16_t>(); }
  uint32_t Int32() { return Fixed<uint32_t>(); }
  uint64_t Int64() { return Fixed<uint64_t>(); }

  std::string_view Bytes(size_t size) {
    if (size > rest_.size()) return Fail();
    const std::string_view bytes = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return bytes;
  }

  std::string_view CString() {
    const size_t end = rest_.find('\0');
    if (end == std::string_view::npos) return Fail();
    const std::string_view text = rest_.substr(0, end);
    rest_.remove_prefix(end + 1);
    return text;
  }

  std::string_view Rest() { return Bytes(rest_.size()); }

 private:
  template <typename T>
  T Fixed() {
    const std::string_view bytes = Bytes(sizeof(T));
    if (!ok_) return 0;
    return boost::endian::endian_load<T, sizeof(T), boost::endian::order::big>(
        reinterpret_cast<const unsigned char*>(bytes.data()));
  }

  std::string_view Fail() {
    ok_ = false;
    rest_ = {};
    return {};
  }

  std::string_view rest_;
  bool ok_ = true;
};

void AppendInt64(std::string* out, uint64_t value) {
  unsigned char bytes[sizeof value];
  boost::endian::store_big_u64(bytes, value);
  out->append(reinterpret_cast<const char*>(bytes), sizeof bytes);
}

bool ReadRow(Reader& in, Row* row) {
  row->clear();
  const uint16_t columns = in.Int16();
  for (uint16_t i = 0; i < columns && in.ok(); ++i) {
    Cell cell;
    switch (in.Byte()) {
      case 'n':
        cell.kind = CellKind::kNull;
        break;
      case 'u':
        cell.kind = CellKind::kUnchanged;
        break;
      case 't':
        cell.kind = CellKind::kText;
        cell.text = in.Bytes(in.Int32());
        break;
      default:  // Binary values have to be asked for.
        return false;
    }
    row->push_back(cell);
  }
  return in.ok();
}

bool ReadRelation(Reader& in, Relation* relation) {
  relation->id = in.Int32();
  relation->schema = in.CString();
  if (relation->schema.empty()) relation->schema = "pg_catalog";
  relation->table = in.CString();
  switch (const uint8_t identity = in.Byte(); identity) {
    case 'd':
    case 'n':
    case 'f':
    case 'i':
      relation->identity = static_cast<ReplicaIdentity>(identity);
      break;
    default:
      return false;
  }
  relation->columns.clear();
  const uint16_t columns = in.Int16();
  for (uint16_t i = 0; i < columns && in.ok(); ++i) {
    Column column;
    column.in_identity = (in.Byte() & 1) != 0;
    column.name = in.CString();
    column.type = in.Int32();
    in.Int32();  // The type's modifier.
    relation->columns.push_back(std::move(column));
  }
  return in.done();
}

bool ReadRowChange(Reader& in, RowAction action, RowChange* change) {
  change->action = action;
  change->relation = in.Int32();
  change->old_kind = OldRow::kNone;
  change->old_row.clear();
  change->new_row.clear();
  uint8_t part = in.Byte();
  if (action != RowAction::kInsert && (part == 'K' || part == 'O')) {
    change->old_kind = part == 'K' ? OldRow::kIdentity : OldRow::kFull;
    if (!ReadRow(in, &change->old_row)) return false;
    if (action == RowAction::kDelete) return in.done();
    part = in.Byte();
  }
  return action != RowAction::kDelete && part == 'N' && ReadRow(in, &change->new_row) && in.done();
}

bool ReadTruncate(Reader& in, Truncate* truncate) {
  truncate->relations.clear();
  const uint32_t relations = in.Int32();
  const uint8_t options = in.Byte();
  truncate->cascade = (options & 1) != 0;
  truncate->restart_identity = (options & 2) != 0;
  for (uint32_t i = 0; i < relations && in.ok(); ++i) truncate->relations.push_back(in.Int32());
  return in.done();
}

}  // namespace

absl::StatusOr<MessageKind> MessageDecoder::Decode(std::string_view data) {
  Reader in(data);
  const uint8_t type = in.Byte();
  bool good = false;
  MessageKind kind = MessageKind::kIgnored;
  switch (type) {
    case 'B':
      kind = MessageKind::kBegin;
      begin_.commit_lsn = in.Int64();
      begin_.commit_ms = UnixMillis(static_cast<int64_t>(in.Int64()));
      begin_.transaction_id = in.Int32();
      good = in.done();
      break;
    case 'C':
      kind = MessageKind::kCommit;
      in.Byte();  // Flags, unused so far.
      commit_.commit_lsn = in.Int64();
      commit_.end_lsn = in.Int64();
      commit_.commit_ms = UnixMillis(static_cast<int64_t>(in.Int64()));
      good = in.done();
      break;
    case 'R':
      kind = MessageKind::kRelation;
      good = ReadRelation(in, &relation_);
      break;
    case 'I':
      kind = MessageKind::kRowChange;
      good = ReadRowChange(in, RowAction::kInsert, &row_change_);
      break;
    case 'U':
      kind = MessageKind::kRowChange;
      good = ReadRowChange(in, RowAction::kUpdate, &row_change_);
      break;
    case 'D':
      kind = MessageKind::kRowChange;
      good = ReadRowChange(in, RowAction::kDelete, &row_change_);
      break;
    case 'T':
      kind = MessageKind::kTruncate;
      good = ReadTruncate(in, &truncate_);
      break;
    case 'O':
    case 'Y':
    case 'M':
      good = true;
      break;
    default:
      break;
  }
  if (!good) return absl::DataLossError("not a message of pgoutput, protocol version 1");
  return kind;
}

absl::StatusOr<ReplicationFrame> DecodeFrame(std::string_view data) {
  Reader in(data);
  ReplicationFrame frame;
  switch (in.Byte()) {
    case 'w':
      frame.start = in.Int64();
      frame.server_end = in.Int64();
      frame.server_ms = UnixMillis(static_cast<int64_t>(in.Int64()));
      if (!in.ok()) break;
      frame.message = in.Rest();
      return frame;
    case 'k':
      frame.keepalive = true;
      frame.server_end = in.Int64();
      frame.server_ms = UnixMillis(static_cast<int64_t>(in.Int64()));
      frame.reply_requested = in.Byte() != 0;
      if (!in.done()) break;
      return frame;
    default:
      break;
  }
  return absl::DataLossError("not a frame of PostgreSQL's replication protocol");
}

std::string EncodeStatusUpdate(Lsn received, Lsn flushed, int64_t now_ms, bool reply_requested) {
  std::string out = "r";
  AppendInt64(&out, received);
  AppendInt64(&out, flushed);
  AppendInt64(&out, flushed);  // Applied: nothing is done beyond keeping.
  AppendInt64(&out, static_cast<uint64_t>((now_ms - kPostgresEpochMs) * 1000));
  out.push_back(reply_requested ? 1 : 0);
  return out;
}

}  // namespace covet::streams::postgres
