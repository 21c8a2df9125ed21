#include "services/streams/sources/postgres/slot.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/base/string_map.h"
#include "common/logging/log.h"

namespace covet::streams::postgres {
namespace {

using covet::postgres::Connection;
using covet::postgres::Rows;

struct TableName {
  std::string schema;
  std::string table;
};

TableName SplitTable(const std::string& name) {
  const size_t dot = name.find('.');
  if (dot == std::string::npos) return {"public", name};
  return {name.substr(0, dot), name.substr(dot + 1)};
}

class SlotOpener {
 public:
  SlotOpener(Connection& connection, const SlotOptions& options, absl::Time deadline)
      : connection_(connection), options_(options), deadline_(deadline) {}

  absl::StatusOr<OpenedSlot> Open(const std::optional<SlotPosition>& position) {
    absl::StatusOr<Rows> system = Query("IDENTIFY_SYSTEM");
    if (!system.ok()) return system.status();
    if (system->size() != 1) return absl::DataLossError("the server does not say which it is");
    const std::string system_id(system->Text(0, 0));
    if (absl::Status status = EnsurePublication(); !status.ok()) return status;
    absl::StatusOr<Lsn> confirmed = EnsureSlot();
    if (!confirmed.ok()) return confirmed.status();
    OpenedSlot opened = Place(position, system_id, *confirmed);
    const absl::Status started = connection_.StartCopyBoth(
        absl::StrCat("START_REPLICATION SLOT ", connection_.Identifier(options_.slot), " LOGICAL ",
                     LsnText(opened.start.at.commit_lsn), " (proto_version '1', publication_names ",
                     connection_.Literal(connection_.Identifier(options_.publication)), ")"),
        deadline_);
    if (!started.ok()) return started;
    return opened;
  }

 private:
  absl::StatusOr<Rows> Query(const std::string& sql) { return connection_.Query(sql, deadline_); }

  absl::Status EnsurePublication() {
    const std::string name = connection_.Literal(options_.publication);
    absl::StatusOr<Rows> found = Query(
        absl::StrCat("SELECT puballtables FROM pg_catalog.pg_publication WHERE pubname = ", name));
    if (!found.ok()) return found.status();
    if (found->size() == 0) return CreatePublication();
    if (found->Text(0, 0) == "t" || options_.tables.empty()) return absl::OkStatus();
    for (const std::string& table : options_.tables) {
      absl::StatusOr<Rows> row = Query(InPublication(name, SplitTable(table)));
      if (!row.ok()) return row.status();
      if (row->size() == 0) {
        return absl::FailedPreconditionError(
            absl::StrCat("the publication ", options_.publication, " lacks the table ", table,
                         ": ALTER PUBLICATION … ADD TABLE adds it"));
      }
    }
    return absl::OkStatus();
  }

  // Finds a row if the publication holds the table. The view of its tables shows partitions alone,
  // or what they are part of alone (`publish_via_partition_root`), so for what was named when it
  // was made the catalog is asked.
  std::string InPublication(const std::string& publication, const TableName& table) const {
    return absl::StrCat(
        "SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = "
        "c.relnamespace WHERE n.nspname = ",
        connection_.Literal(table.schema), " AND c.relname = ", connection_.Literal(table.table),
        " AND (EXISTS (SELECT FROM pg_catalog.pg_publication_tables t WHERE t.pubname = ",
        publication,
        " AND t.schemaname = n.nspname AND t.tablename = c.relname) OR EXISTS (SELECT FROM "
        "pg_catalog.pg_publication_rel r JOIN pg_catalog.pg_publication p ON p.oid = r.prpubid "
        "WHERE p.pubname = ",
        publication,
        " AND (r.prrelid = c.oid OR r.prrelid IN (SELECT "
        "pg_catalog.pg_partition_ancestors(c.oid)))))");
  }

  absl::Status CreatePublication() {
    std::string what = " FOR ALL TABLES";
    if (!options_.tables.empty()) {
      std::vector<std::string> names;
      for (const std::string& table : options_.tables) {
        const TableName parts = SplitTable(table);
        names.push_back(absl::StrCat(connection_.Identifier(parts.schema), ".",
                                     connection_.Identifier(parts.table)));
        if (absl::Status status = CheckIdentity(table, parts); !status.ok()) return status;
      }
      // A partitioned table's rows come under its own name.
      what = absl::StrCat(" FOR TABLE ", absl::StrJoin(names, ", "),
                          " WITH (publish_via_partition_root = true)");
    } else if (absl::Status status = CheckIdentities(); !status.ok()) {
      return status;
    }
    absl::StatusOr<Rows> made = Query(
        absl::StrCat("CREATE PUBLICATION ", connection_.Identifier(options_.publication), what));
    if (!made.ok()) return made.status();
    log::Info("publication_created", {{"publication", options_.publication}});
    return absl::OkStatus();
  }

  static constexpr const char* kUnidentified =
      "(c.relreplident = 'n' OR (c.relreplident = 'd' AND NOT EXISTS (SELECT FROM "
      "pg_catalog.pg_index i WHERE i.indrelid = c.oid AND i.indisprimary)))";

  static absl::Status NoIdentity(std::string_view table) {
    return absl::FailedPreconditionError(absl::StrCat(
        "the table ", ToAbsl(table),
        " has no primary key, so its updates and deletes would fail once it is published: give it "
        "one, or ALTER TABLE … REPLICA IDENTITY FULL"));
  }

  absl::Status CheckIdentity(const std::string& table, const TableName& parts) {
    absl::StatusOr<Rows> row = Query(absl::StrCat(
        "SELECT ", kUnidentified,
        " FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = "
        "c.relnamespace WHERE c.relkind IN ('r', 'p') AND n.nspname = ",
        connection_.Literal(parts.schema), " AND c.relname = ", connection_.Literal(parts.table)));
    if (!row.ok()) return row.status();
    if (row->size() == 0) {
      return absl::FailedPreconditionError(absl::StrCat("there is no table ", table));
    }
    return row->Text(0, 0) == "t" ? NoIdentity(table) : absl::OkStatus();
  }

  absl::Status CheckIdentities() {
    absl::StatusOr<Rows> row = Query(
        absl::StrCat("SELECT n.nspname || '.' || c.relname FROM pg_catalog.pg_class c JOIN "
                     "pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'r' "
                     "AND c.relpersistence = 'p' AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> "
                     "'information_schema' AND ",
                     kUnidentified, " ORDER BY 1 LIMIT 1"));
    if (!row.ok()) return row.status();
    return row->size() != 0 ? NoIdentity(row->Text(0, 0)) : absl::OkStatus();
  }

  // Where the slot stands, which is made if there is none.
  absl::StatusOr<Lsn> EnsureSlot() {
    const std::string name = connection_.Literal(options_.slot);
    absl::StatusOr<Rows> found = Query(absl::StrCat(
        "SELECT plugin, database = pg_catalog.current_database(), active_pid, "
        "confirmed_flush_lsn, wal_status FROM pg_catalog.pg_replication_slots WHERE slot_name = ",
        name));
    if (!found.ok()) return found.status();
    if (found->size() == 1 && found->Text(0, 4) == "lost") {
      created_ = "the server has removed what the slot had not yet sent";
      absl::StatusOr<Rows> dropped =
          Query(absl::StrCat("DROP_REPLICATION_SLOT ", connection_.Identifier(options_.slot)));
      if (!dropped.ok()) return dropped.status();
      return CreateSlot();
    }
    if (found->size() == 0) {
      created_ = "the replication slot was gone";
      return CreateSlot();
    }
    if (found->Text(0, 0) != "pgoutput" || found->Text(0, 1) != "t") {
      return absl::FailedPreconditionError(absl::StrCat("the replication slot ", options_.slot,
                                                        " belongs to another plugin or database"));
    }
    if (!found->IsNull(0, 2)) {
      return absl::FailedPreconditionError(absl::StrCat("the replication slot ", options_.slot,
                                                        " is read by the server's process ",
                                                        ToAbsl(found->Text(0, 2))));
    }
    return LsnOf(found->Text(0, 3));
  }

  absl::StatusOr<Lsn> CreateSlot() {
    absl::StatusOr<Rows> made =
        Query(absl::StrCat("CREATE_REPLICATION_SLOT ", connection_.Identifier(options_.slot),
                           " LOGICAL pgoutput NOEXPORT_SNAPSHOT"));
    if (!made.ok()) return made.status();
    if (made->size() != 1)
      return absl::DataLossError("the server does not say where a slot begins");
    log::Info("replication_slot_created", {{"slot", options_.slot}});
    return LsnOf(made->Text(0, 1));
  }

  static absl::StatusOr<Lsn> LsnOf(std::string_view text) {
    const std::optional<Lsn> lsn = ParseLsn(text);
    if (!lsn) return absl::DataLossError("the server does not say where a slot stands");
    return *lsn;
  }

  OpenedSlot Place(const std::optional<SlotPosition>& position, const std::string& system_id,
                   Lsn confirmed) const {
    OpenedSlot opened{{system_id, {confirmed, 0}, false}, ""};
    if (!position) return opened;
    // Only what is kept was ever confirmed, so a slot ahead of the position was moved by others, or
    // the log is an older copy.
    if (position->system_id != system_id) {
      opened.gap_reason = "it is another database cluster";
    } else if (!created_.empty()) {
      opened.gap_reason = created_;
    } else if (confirmed > position->at.commit_lsn) {
      opened.gap_reason = "the replication slot was moved on by something else";
    } else {
      opened.start = *position;
      return opened;
    }
    opened.start.gap = true;
    return opened;
  }

  Connection& connection_;
  const SlotOptions& options_;
  const absl::Time deadline_;
  std::string created_;  // Why the slot was made, if it was.
};

}  // namespace

absl::StatusOr<OpenedSlot> OpenSlot(Connection& connection, const SlotOptions& options,
                                    const std::optional<SlotPosition>& position,
                                    absl::Time deadline) {
  return SlotOpener(connection, options, deadline).Open(position);
}

}  // namespace covet::streams::postgres
