#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "services/streams/sources/postgres/pgoutput.h"

namespace covet::streams::postgres {

// Where a change stands: transactions by commit, changes in a transaction from 1. The order of a
// slot's stream, and the same each time it is sent.
struct ChangePosition {
  Lsn commit_lsn = 0;
  int64_t sequence = 0;

  // clang-tidy 14 sees a null pointer in it.
  friend auto operator<=>(const ChangePosition&,
                          const ChangePosition&) = default;  // NOLINT(modernize-use-nullptr)
};

// Makes records (JSON objects) of changes:
//
//   {"timestamp":"2025-09-10T12:00:00.000Z","key":"public.accounts:1","action":"update",
//    "schema":"public","table":"accounts","identity":{"id":1},"new":{"id":1,"balance":12.50},
//    "replica_identity":"default","lsn":"0/16B3748","transaction_id":742,"sequence":1}
//
// `timestamp`, `lsn` and `transaction_id` are the commit's; (`lsn`, `sequence`) is the
// ChangePosition. `identity` holds the columns that PostgreSQL knows the row by, as they are after
// the change, and `key` the table and their values, a comma or backslash in one of several behind a
// backslash; both are missing under REPLICA IDENTITY FULL and NOTHING. `old` is there as
// far as PostgreSQL tells it: the whole row under FULL, else the identity where a delete or a new
// identity ends it. `unchanged` names columns of `new` that are not in it because an update left
// their TOASTed values alone; `omitted` those left out because the record would be too large.
//
// Values: integers, floating point and numeric as numbers with every digit (NaN and infinities as
// strings), booleans, json and jsonb as JSON where they nest at most 60 deep, all else as
// PostgreSQL's text.
//
// Not thread-safe.
class ChangeRecordWriter {
 public:
  // `max_bytes`: the largest record.
  explicit ChangeRecordWriter(size_t max_bytes) : max_bytes_(max_bytes) {}

  // Forgets every table: a new session describes them again.
  void Reset() { tables_.clear(); }
  void SetRelation(const Relation& relation);
  void SetTransaction(const Begin& begin);

  // Replaces what `out` holds. False if the relation was never described, or if its rows have
  // another number of columns.
  bool WriteRow(const RowChange& change, int64_t sequence, std::string* out) const;
  bool WriteTruncate(uint32_t relation, const Truncate& truncate, int64_t sequence,
                     std::string* out) const;

 private:
  enum class ValueKind : uint8_t { kText, kNumber, kBoolean, kJson };
  struct ColumnShape {
    std::string name;
    std::string quoted;  // `"name":`
    ValueKind kind;
    bool in_identity;
  };
  struct Table {
    std::string qualified;  // schema.table
    std::string members;    // `"schema":…,"table":…`
    std::string_view replica_identity;
    int identity_columns = 0;
    std::vector<ColumnShape> columns;
  };
  enum class Part : uint8_t { kAll, kIdentity };

  void WriteHead(const Table& table, std::string_view action, std::string* out) const;
  void WriteTail(const Table& table, int64_t sequence, std::string* out) const;
  void WriteWhole(const Table& table, const RowChange& change, int64_t sequence, size_t max_value,
                  std::string* out) const;
  // `fallback`, which may be null, has what `row` calls unchanged.
  static bool KnowsIdentity(const Table& table, const Row& row, const Row* fallback);
  static void AppendKey(const Table& table, const Row& row, const Row* fallback, std::string* out);
  static void AppendRow(const Table& table, const Row& row, const Row* fallback, Part part,
                        size_t max_value, std::string* out);
  static void AppendValue(ValueKind kind, std::string_view text, std::string* out);
  static ValueKind KindOf(uint32_t type);

  const size_t max_bytes_;
  absl::flat_hash_map<uint32_t, Table> tables_;
  std::string head_;  // `"timestamp":"…"` of the transaction.
  std::string tail_;  // `"lsn":…,"transaction_id":…`
};

}  // namespace covet::streams::postgres
