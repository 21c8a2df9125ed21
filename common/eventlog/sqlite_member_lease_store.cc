#include "common/eventlog/sqlite_member_lease_store.h"

#include <pthread.h>

#include <atomic>
#include <filesystem>
#include <limits>
#include <system_error>
#include <thread>
#include <utility>
#include <variant>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "common/eventlog/bounded_queue.h"
#include "common/eventlog/file_lock.h"
#include "common/eventlog/log_errors.h"
#include "common/eventlog/sqlite_database.h"

namespace covet::eventlog {
namespace {

constexpr int64_t kVersion = 1;
constexpr int64_t kChangeBytes = 128;  // A change's share of the queue besides its texts.
constexpr size_t kChangesPerCommit = 4096;

struct UpsertLease {
  MemberLease lease;
};
struct RemoveLease {
  std::string session_id;
  std::string room_id;
};
struct RemoveLeasesOfSession {
  std::string session_id;
};
struct RemoveLeasesOfIncarnation {
  std::string incarnation;
};
struct LoadLeases {
  MemberLeaseStore::LoadCallback done;
  absl::Status refusal;
};
using LeaseCall = std::variant<UpsertLease, RemoveLease, RemoveLeasesOfSession,
                               RemoveLeasesOfIncarnation, LoadLeases>;

// The table, without threads; used by one thread.
class LeaseTable {
 public:
  static absl::StatusOr<LeaseTable> Open(const std::string& path) {
    absl::StatusOr<SqliteDatabase> database = SqliteDatabase::Open(path);
    if (!database.ok()) return database.status();
    LeaseTable table(*std::move(database));
    if (absl::Status status = table.Prepare(); !status.ok()) return status;
    return table;
  }

  absl::Status Begin() { return begin_.Run(); }
  absl::Status Commit() { return commit_.Run(); }
  absl::Status Rollback() { return rollback_.Run(); }

  absl::Status Apply(const UpsertLease& call) {
    return upsert_.Bind(1, call.lease.session_id)
        .Bind(2, call.lease.room_id)
        .Bind(3, call.lease.user_id)
        .Bind(4, call.lease.incarnation)
        .Run();
  }
  absl::Status Apply(const RemoveLease& call) {
    return remove_.Bind(1, call.session_id).Bind(2, call.room_id).Run();
  }
  absl::Status Apply(const RemoveLeasesOfSession& call) {
    return remove_session_.Bind(1, call.session_id).Run();
  }
  absl::Status Apply(const RemoveLeasesOfIncarnation& call) {
    return remove_incarnation_.Bind(1, call.incarnation).Run();
  }
  // Answers within the transaction, so it sees what was applied before.
  absl::Status Apply(const LoadLeases& call) {
    call.done(call.refusal.ok() ? LoadAll() : call.refusal);
    return absl::OkStatus();
  }

 private:
  explicit LeaseTable(SqliteDatabase database) : database_(std::move(database)) {}

  absl::Status Prepare() {
    const absl::StatusOr<std::string> check = database_.QueryText("PRAGMA quick_check(1)");
    if (!check.ok()) return check.status();
    if (*check != "ok") return absl::DataLossError(*check);
    const absl::StatusOr<int64_t> version = database_.QueryInt("PRAGMA user_version");
    if (!version.ok()) return version.status();
    if (*version != 0 && *version != kVersion) return absl::DataLossError("another format");
    absl::Status status = database_.Execute(
        absl::StrCat(
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF; BEGIN IMMEDIATE;"
            "CREATE TABLE IF NOT EXISTS leases ("
            " session BLOB NOT NULL, room BLOB NOT NULL, user BLOB NOT NULL,"
            " incarnation BLOB NOT NULL, PRIMARY KEY (session, room)) STRICT, WITHOUT ROWID;"
            "CREATE INDEX IF NOT EXISTS leases_by_incarnation ON leases(incarnation);"
            "PRAGMA user_version=",
            kVersion, "; COMMIT;")
            .c_str());
    if (!status.ok()) return status;
    return database_.Prepare({
        {&begin_, "BEGIN IMMEDIATE"},
        {&commit_, "COMMIT"},
        {&rollback_, "ROLLBACK"},
        {&upsert_, "INSERT OR REPLACE INTO leases VALUES(?1, ?2, ?3, ?4)"},
        {&remove_, "DELETE FROM leases WHERE session = ?1 AND room = ?2"},
        {&remove_session_, "DELETE FROM leases WHERE session = ?1"},
        {&remove_incarnation_, "DELETE FROM leases WHERE incarnation = ?1"},
        {&load_, "SELECT incarnation, session, user, room FROM leases"},
    });
  }

  absl::StatusOr<std::vector<MemberLease>> LoadAll() {
    std::vector<MemberLease> leases;
    for (;;) {
      const absl::StatusOr<bool> more = load_.Step();
      if (!more.ok()) return more.status();
      if (!*more) return leases;
      leases.push_back({std::string(load_.Blob(0)), std::string(load_.Blob(1)),
                        std::string(load_.Blob(2)), std::string(load_.Blob(3))});
    }
  }

  SqliteDatabase database_;
  SqliteStatement begin_, commit_, rollback_;
  SqliteStatement upsert_, remove_, remove_session_, remove_incarnation_, load_;
};

class SqliteMemberLeaseStore final : public MemberLeaseStore {
 public:
  SqliteMemberLeaseStore(int64_t queue_bytes, std::unique_ptr<FileLock> lock, LeaseTable table)
      : lock_(std::move(lock)), table_(std::move(table)), calls_(queue_bytes) {
    thread_ = std::thread([this] { WriteLoop(); });
  }
  ~SqliteMemberLeaseStore() override {
    calls_.Close();
    thread_.join();
  }

  void Upsert(MemberLease lease) override {
    const size_t bytes = lease.incarnation.size() + lease.session_id.size() + lease.user_id.size() +
                         lease.room_id.size();
    Enqueue(UpsertLease{std::move(lease)}, bytes);
  }
  void Remove(std::string session_id, std::string room_id) override {
    const size_t bytes = session_id.size() + room_id.size();
    Enqueue(RemoveLease{std::move(session_id), std::move(room_id)}, bytes);
  }
  void RemoveSession(std::string session_id) override {
    const size_t bytes = session_id.size();
    Enqueue(RemoveLeasesOfSession{std::move(session_id)}, bytes);
  }
  void RemoveIncarnation(std::string incarnation) override {
    const size_t bytes = incarnation.size();
    Enqueue(RemoveLeasesOfIncarnation{std::move(incarnation)}, bytes);
  }
  void LoadAll(LoadCallback done) override {
    calls_.PushOrRefuse(LoadLeases{std::move(done), {}}, kChangeBytes,
                        [](LeaseCall& call, bool closed) {
                          std::get<LoadLeases>(call).refusal = QueueRefusal(closed);
                        });
  }
  int64_t lost() const override { return lost_; }

 private:
  void Enqueue(LeaseCall call, size_t bytes) {
    if (!calls_.Push(std::move(call), kChangeBytes + static_cast<int64_t>(bytes))) ++lost_;
  }

  void WriteLoop() {
    pthread_setname_np(pthread_self(), "lease-writer");
    std::vector<LeaseCall> calls;
    for (int64_t cost = 0;
         calls_.Take(std::numeric_limits<int64_t>::max(), kChangesPerCommit, &calls, &cost);
         cost = 0) {
      Write(calls);
      calls_.Release(cost);
      calls.clear();
    }
  }

  void Write(const std::vector<LeaseCall>& calls) {
    absl::Status status = table_.Begin();
    for (const LeaseCall& call : calls) {
      // A load is answered even if the changes before it failed.
      if (!status.ok() && !std::holds_alternative<LoadLeases>(call)) continue;
      status.Update(std::visit([this](const auto& one) { return table_.Apply(one); }, call));
    }
    if (status.ok()) status = table_.Commit();
    if (status.ok()) return;
    table_.Rollback().IgnoreError();  // Fails where SQLite did so itself.
    lost_ += static_cast<int64_t>(calls.size());
  }

  const std::unique_ptr<FileLock> lock_;
  LeaseTable table_;
  // Bytes. Beyond the bound the newest change is dropped and counted.
  BoundedQueue<LeaseCall> calls_;
  std::atomic<int64_t> lost_ = 0;
  std::thread thread_;
};

void RemoveDatabase(const std::string& path) {
  std::error_code ignored;
  for (const char* suffix : {"", "-wal", "-shm"}) {
    std::filesystem::remove(absl::StrCat(path, suffix), ignored);
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<MemberLeaseStore>> OpenSqliteMemberLeaseStore(
    SqliteLeaseOptions options) {
  auto lock = FileLock::AcquireIn(options.directory, options.name);
  if (!lock.ok()) return lock.status();
  const std::string base = absl::StrCat(options.directory, "/", options.name);
  absl::StatusOr<LeaseTable> table = LeaseTable::Open(base + ".db");
  if (absl::IsDataLoss(table.status())) {
    RemoveDatabase(base + ".db");
    table = LeaseTable::Open(base + ".db");
  }
  if (!table.ok()) return table.status();
  return std::make_unique<SqliteMemberLeaseStore>(options.queue_bytes, *std::move(lock),
                                                  *std::move(table));
}

}  // namespace covet::eventlog
