#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "services/streams/sources/postgres/lsn.h"

// The messages of PostgreSQL's output plugin `pgoutput`, protocol version 1 ("Logical Replication
// Message Formats" in PostgreSQL's manual). No I/O.
namespace covet::streams::postgres {

// What an update or delete tells of the row as it was.
enum class ReplicaIdentity : char {
  kDefault = 'd',  // The primary key's columns, if there is one.
  kNothing = 'n',
  kFull = 'f',   // Every column.
  kIndex = 'i',  // The columns of a unique index.
};

struct Column {
  bool in_identity = false;
  std::string name;
  uint32_t type = 0;  // The OID of its type.
};

// How a table looks from here on; precedes the first change of the table in a session, and each
// after the table was altered.
struct Relation {
  uint32_t id = 0;
  std::string schema;
  std::string table;
  ReplicaIdentity identity = ReplicaIdentity::kDefault;
  std::vector<Column> columns;
};

enum class CellKind : char {
  kNull = 'n',
  kUnchanged = 'u',  // A TOASTed value that an update did not touch; it is not sent.
  kText = 't',
};

// The text points into the message.
struct Cell {
  CellKind kind = CellKind::kNull;
  std::string_view text;
};
using Row = std::vector<Cell>;

struct Begin {
  Lsn commit_lsn = 0;     // Of the transaction that follows.
  int64_t commit_ms = 0;  // Since the Unix epoch.
  uint32_t transaction_id = 0;
};

struct Commit {
  Lsn commit_lsn = 0;
  Lsn end_lsn = 0;  // Behind the transaction: what may be confirmed once it is kept.
  int64_t commit_ms = 0;
};

enum class RowAction : uint8_t { kInsert, kUpdate, kDelete };
enum class OldRow : uint8_t { kNone, kIdentity, kFull };

struct RowChange {
  RowAction action = RowAction::kInsert;
  uint32_t relation = 0;
  OldRow old_kind = OldRow::kNone;
  Row old_row;  // Empty if kNone; under kIdentity only the identity's columns have values.
  Row new_row;  // Empty in a delete.
};

struct Truncate {
  std::vector<uint32_t> relations;
  bool cascade = false;
  bool restart_identity = false;
};

enum class MessageKind : uint8_t {
  kBegin,
  kCommit,
  kRelation,
  kRowChange,
  kTruncate,
  // Origins, types and messages of applications: checked for their first byte only.
  kIgnored,
};

// Decodes one message at a time into its own members, whose memory it uses again. Not thread-safe.
class MessageDecoder {
 public:
  // DATA_LOSS for what is no message of protocol version 1. What the accessors below return is good
  // after its own kind only, until the next call and as long as `data`.
  absl::StatusOr<MessageKind> Decode(std::string_view data);

  const Begin& begin() const { return begin_; }
  const Commit& commit() const { return commit_; }
  const Relation& relation() const { return relation_; }
  const RowChange& row_change() const { return row_change_; }
  const Truncate& truncate() const { return truncate_; }

 private:
  Begin begin_;
  Commit commit_;
  Relation relation_;
  RowChange row_change_;
  Truncate truncate_;
};

// What the server sends in the copy stream of START_REPLICATION.
struct ReplicationFrame {
  bool keepalive = false;
  bool reply_requested = false;  // By a keepalive.
  Lsn start = 0;                 // Of what follows; 0 where that is no place in the log.
  Lsn server_end = 0;            // The end of the server's log.
  int64_t server_ms = 0;         // The server's clock, since the Unix epoch.
  std::string_view message;      // For MessageDecoder; empty in a keepalive.
};

// DATA_LOSS for anything else than XLogData and primary keepalives.
absl::StatusOr<ReplicationFrame> DecodeFrame(std::string_view data);

// A standby status update: everything before `flushed` is kept and need not be sent again.
std::string EncodeStatusUpdate(Lsn received, Lsn flushed, int64_t now_ms, bool reply_requested);

}  // namespace covet::streams::postgres
