#include "services/streams/sources/postgres/change_record.h"

#include <algorithm>
#include <limits>

#include "absl/strings/str_cat.h"
#include "common/auth/crypto.h"
#include "common/payload/json_scanner.h"
#include "common/payload/json_writer.h"

namespace covet::streams::postgres {
namespace {

// Under the record, its `new` and the payload limit of 64.
constexpr int kMaxJsonDepthOfValue = 60;
constexpr size_t kMaxKeyBytes = 128;
constexpr size_t kNoLimit = std::numeric_limits<size_t>::max();
// Values above these are left out, one after the other, until a record fits.
constexpr size_t kValueLimits[] = {16 << 10, 4 << 10, 1 << 10, 128, 0};

std::string_view IdentityName(ReplicaIdentity identity) {
  switch (identity) {
    case ReplicaIdentity::kDefault:
      return "default";
    case ReplicaIdentity::kNothing:
      return "nothing";
    case ReplicaIdentity::kFull:
      return "full";
    case ReplicaIdentity::kIndex:
      return "index";
  }
  return "";
}

std::string_view ActionName(RowAction action) {
  switch (action) {
    case RowAction::kInsert:
      return "insert";
    case RowAction::kUpdate:
      return "update";
    case RowAction::kDelete:
      return "delete";
  }
  return "";
}

// A list of column names, begun by the first.
class NameList {
 public:
  NameList(std::string_view member, std::string* out) : member_(member), out_(out) {}
  void Add(std::string_view name) {
    if (empty_) {
      payload::AppendMemberName(out_, member_);
      out_->push_back('[');
    } else {
      out_->push_back(',');
    }
    empty_ = false;
    payload::AppendQuoted(out_, name);
  }
  void End() {
    if (!empty_) out_->push_back(']');
  }

 private:
  const std::string_view member_;
  std::string* const out_;
  bool empty_ = true;
};

bool TooLarge(const Cell& cell, size_t max_value) {
  return cell.kind == CellKind::kText && cell.text.size() > max_value;
}

const Cell& CellOf(const Row& row, const Row* fallback, size_t column) {
  const bool elsewhere = row[column].kind == CellKind::kUnchanged && fallback != nullptr;
  return elsewhere ? (*fallback)[column] : row[column];
}

}  // namespace

ChangeRecordWriter::ValueKind ChangeRecordWriter::KindOf(uint32_t type) {
  switch (type) {  // pg_type.dat; these OIDs never change.
    case 16:
      return ValueKind::kBoolean;
    case 20:    // int8
    case 21:    // int2
    case 23:    // int4
    case 26:    // oid
    case 700:   // float4
    case 701:   // float8
    case 1700:  // numeric
      return ValueKind::kNumber;
    case 114:   // json
    case 3802:  // jsonb
      return ValueKind::kJson;
    default:
      return ValueKind::kText;
  }
}

void ChangeRecordWriter::SetRelation(const Relation& relation) {
  Table table;
  table.qualified = absl::StrCat(relation.schema, ".", relation.table);
  payload::AppendMemberName(&table.members, "schema");
  payload::AppendQuoted(&table.members, relation.schema);
  payload::AppendStringMember(&table.members, "table", relation.table);
  table.replica_identity = IdentityName(relation.identity);
  // Under FULL every column is flagged, which identifies nothing: rows may be equal.
  const bool keyed = relation.identity == ReplicaIdentity::kDefault ||
                     relation.identity == ReplicaIdentity::kIndex;
  for (const Column& column : relation.columns) {
    ColumnShape shape{column.name, "", KindOf(column.type), keyed && column.in_identity};
    payload::AppendQuoted(&shape.quoted, column.name);
    shape.quoted.push_back(':');
    table.identity_columns += shape.in_identity ? 1 : 0;
    table.columns.push_back(std::move(shape));
  }
  tables_[relation.id] = std::move(table);
}

void ChangeRecordWriter::SetTransaction(const Begin& begin) {
  head_ = "{";
  payload::AppendTimeMember(&head_, "timestamp", begin.commit_ms);
  tail_.clear();
  payload::AppendStringMember(&tail_, "lsn", LsnText(begin.commit_lsn));
  payload::AppendIntMember(&tail_, "transaction_id", begin.transaction_id);
}

void ChangeRecordWriter::WriteHead(const Table& table, std::string_view action,
                                   std::string* out) const {
  payload::AppendStringMember(out, "action", action);
  out->push_back(',');
  out->append(table.members);
}

void ChangeRecordWriter::WriteTail(const Table& table, int64_t sequence, std::string* out) const {
  payload::AppendStringMember(out, "replica_identity", table.replica_identity);
  out->push_back(',');
  out->append(tail_);
  payload::AppendIntMember(out, "sequence", sequence);
  out->push_back('}');
}

void ChangeRecordWriter::AppendValue(ValueKind kind, std::string_view text, std::string* out) {
  switch (kind) {
    case ValueKind::kNumber: {
      const payload::JsonScanResult scan = payload::ScanJson(text, 0);
      if (scan.ok() && scan.kind == payload::JsonKind::kNumber) {
        out->append(text);
        return;
      }
      break;
    }
    case ValueKind::kBoolean:
      if (text == "t" || text == "f") {
        out->append(text == "t" ? "true" : "false");
        return;
      }
      break;
    case ValueKind::kJson:
      if (payload::ScanJson(text, kMaxJsonDepthOfValue).ok()) {
        out->append(text);
        return;
      }
      break;
    case ValueKind::kText:
      break;
  }
  payload::AppendQuoted(out, text);
}

bool ChangeRecordWriter::KnowsIdentity(const Table& table, const Row& row, const Row* fallback) {
  if (table.identity_columns == 0 || row.empty()) return false;
  for (size_t i = 0; i < table.columns.size(); ++i) {
    if (table.columns[i].in_identity && CellOf(row, fallback, i).kind == CellKind::kUnchanged) {
      return false;
    }
  }
  return true;
}

void ChangeRecordWriter::AppendKey(const Table& table, const Row& row, const Row* fallback,
                                   std::string* out) {
  std::string key = table.qualified;
  char separator = ':';
  for (size_t i = 0; i < table.columns.size(); ++i) {
    if (!table.columns[i].in_identity) continue;
    key.push_back(separator);
    for (const char c : CellOf(row, fallback, i).text) {
      // One value stands as it is; of several it must be clear where each ends.
      if (table.identity_columns > 1 && (c == ',' || c == '\\')) key.push_back('\\');
      key.push_back(c);
    }
    separator = ',';
  }
  if (key.size() > kMaxKeyBytes) {
    key = absl::StrCat("sha256:", auth::EncodeHex(auth::Sha256(key)));
  }
  payload::AppendStringMember(out, "key", key);
}

void ChangeRecordWriter::AppendRow(const Table& table, const Row& row, const Row* fallback,
                                   Part part, size_t max_value, std::string* out) {
  out->push_back('{');
  bool first = true;
  for (size_t i = 0; i < row.size(); ++i) {
    const ColumnShape& column = table.columns[i];
    if (part == Part::kIdentity && !column.in_identity) continue;
    const Cell& cell = CellOf(row, fallback, i);
    if (cell.kind == CellKind::kUnchanged || TooLarge(cell, max_value)) continue;
    if (!first) out->push_back(',');
    first = false;
    out->append(column.quoted);
    if (cell.kind == CellKind::kNull) {
      out->append("null");
    } else {
      AppendValue(column.kind, cell.text, out);
    }
  }
  out->push_back('}');
}

void ChangeRecordWriter::WriteWhole(const Table& table, const RowChange& change, int64_t sequence,
                                    size_t max_value, std::string* out) const {
  const Row& last = change.action == RowAction::kDelete ? change.old_row : change.new_row;
  const Row* full = change.old_kind == OldRow::kFull ? &change.old_row : nullptr;
  // An identity that is TOASTed and did not change comes with the row of before.
  const Row* before = change.old_kind != OldRow::kNone ? &change.old_row : nullptr;
  out->assign(head_);
  const bool keyed = KnowsIdentity(table, last, before);
  if (keyed) AppendKey(table, last, before, out);
  WriteHead(table, ActionName(change.action), out);
  if (keyed) {
    payload::AppendMemberName(out, "identity");
    AppendRow(table, last, before, Part::kIdentity, max_value, out);
  }
  if (!change.new_row.empty()) {
    payload::AppendMemberName(out, "new");
    AppendRow(table, change.new_row, full, Part::kAll, max_value, out);
  }
  if (change.old_kind != OldRow::kNone) {
    payload::AppendMemberName(out, "old");
    AppendRow(table, change.old_row, nullptr, full != nullptr ? Part::kAll : Part::kIdentity,
              max_value, out);
  }
  NameList unchanged("unchanged", out);
  for (size_t i = 0; i < change.new_row.size(); ++i) {
    const bool known = full != nullptr && (*full)[i].kind != CellKind::kUnchanged;
    if (change.new_row[i].kind == CellKind::kUnchanged && !known) {
      unchanged.Add(table.columns[i].name);
    }
  }
  unchanged.End();
  if (max_value != kNoLimit) {
    NameList omitted("omitted", out);
    for (size_t i = 0; i < table.columns.size(); ++i) {
      const bool in_new = !change.new_row.empty() && TooLarge(change.new_row[i], max_value);
      const bool in_old = !change.old_row.empty() && TooLarge(change.old_row[i], max_value);
      if (in_new || in_old) omitted.Add(table.columns[i].name);
    }
    omitted.End();
  }
  WriteTail(table, sequence, out);
}

bool ChangeRecordWriter::WriteRow(const RowChange& change, int64_t sequence,
                                  std::string* out) const {
  const auto it = tables_.find(change.relation);
  if (it == tables_.end()) return false;
  const Table& table = it->second;
  const size_t columns = table.columns.size();
  if ((change.action != RowAction::kDelete && change.new_row.size() != columns) ||
      (change.old_kind != OldRow::kNone && change.old_row.size() != columns)) {
    return false;
  }
  WriteWhole(table, change, sequence, kNoLimit, out);
  for (const size_t limit : kValueLimits) {
    if (out->size() <= max_bytes_) return true;
    WriteWhole(table, change, sequence, limit, out);
  }
  if (out->size() <= max_bytes_) return true;
  // The names alone are too much: a table of hundreds of columns.
  out->assign(head_);
  WriteHead(table, ActionName(change.action), out);
  payload::AppendRawMember(out, "omitted", R"(["*"])");
  WriteTail(table, sequence, out);
  return true;
}

bool ChangeRecordWriter::WriteTruncate(uint32_t relation, const Truncate& truncate,
                                       int64_t sequence, std::string* out) const {
  const auto it = tables_.find(relation);
  if (it == tables_.end()) return false;
  out->assign(head_);
  WriteHead(it->second, "truncate", out);
  if (truncate.cascade) payload::AppendBoolMember(out, "cascade", true);
  if (truncate.restart_identity) payload::AppendBoolMember(out, "restart_identity", true);
  WriteTail(it->second, sequence, out);
  return true;
}

}  // namespace covet::streams::postgres
