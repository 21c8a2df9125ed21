#include "services/streams/sources/postgres/database_metrics.h"

#include <poll.h>
#include <pthread.h>

#include <algorithm>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "common/base/backoff.h"
#include "common/base/string_map.h"
#include "common/config/config.h"
#include "common/payload/json_writer.h"

namespace covet::streams::postgres {
namespace {

using covet::postgres::Connection;
using covet::postgres::Rows;

constexpr int64_t kSizeMs = 30'000;
constexpr int64_t kMinBackoffMs = 500;
constexpr int64_t kMaxBackoffMs = 10'000;
constexpr int64_t kQueryTimeoutMs = 10'000;
// An answer is shown for so many intervals, and 2 s at least.
constexpr int64_t kFreshIntervals = 3;
constexpr int64_t kFreshMs = 2000;

constexpr char kConnections[] =
    "SELECT coalesce(replace(state, ' ', '_'), 'unknown'), count(*) FROM "
    "pg_catalog.pg_stat_activity WHERE datname = pg_catalog.current_database() AND pid <> "
    "pg_catalog.pg_backend_pid() AND coalesce(backend_type, 'client backend') = 'client backend' "
    "GROUP BY 1 ORDER BY 1";
constexpr char kCounters[] =
    "SELECT d.xact_commit, d.xact_rollback, d.blks_read, d.blks_hit, l.held, l.waiting FROM "
    "pg_catalog.pg_stat_database d, (SELECT count(*) FILTER (WHERE granted) AS held, count(*) "
    "FILTER (WHERE NOT granted) AS waiting FROM pg_catalog.pg_locks WHERE pid <> "
    "pg_catalog.pg_backend_pid() AND (database IS NULL OR database = (SELECT oid FROM "
    "pg_catalog.pg_database WHERE datname = pg_catalog.current_database()))) l WHERE d.datname = "
    "pg_catalog.current_database()";
constexpr char kSize[] = "SELECT pg_catalog.pg_database_size(pg_catalog.current_database())";

int64_t Number(const Rows& rows, int row, int column) {
  int64_t value = 0;
  return absl::SimpleAtoi(ToAbsl(rows.Text(row, column)), &value) ? value : 0;
}

void AppendNumber(std::string* out, std::string_view name, double value) {
  payload::AppendMemberName(out, name);
  payload::AppendDouble(out, value);
}

}  // namespace

std::string RateMembers(const std::optional<DatabaseCounters>& before,
                        const DatabaseCounters& now) {
  std::string out;
  // Counters begin anew when statistics are reset.
  const bool comparable = before && now.at_us > before->at_us && now.commits >= before->commits &&
                          now.rollbacks >= before->rollbacks &&
                          now.blocks_hit >= before->blocks_hit &&
                          now.blocks_read >= before->blocks_read;
  const auto append = [&out](std::string_view name, double value) {
    std::string member;
    AppendNumber(&member, name, value);
    out.append(",").append(member);
  };
  const DatabaseCounters from = comparable ? *before : DatabaseCounters{};
  if (comparable) {
    const double seconds = static_cast<double>(now.at_us - from.at_us) * 1e-6;
    const auto rate = [&](int64_t events) { return static_cast<double>(events) / seconds; };
    append("transactions_per_second",
           rate(now.commits - from.commits + now.rollbacks - from.rollbacks));
    append("rollbacks_per_second", rate(now.rollbacks - from.rollbacks));
  }
  int64_t hit = now.blocks_hit - from.blocks_hit;
  int64_t all = hit + now.blocks_read - from.blocks_read;
  if (all == 0) {
    hit = now.blocks_hit;
    all = hit + now.blocks_read;
  }
  if (all > 0) append("cache_hit_ratio", static_cast<double>(hit) / static_cast<double>(all));
  return out;
}

DatabaseMetrics::DatabaseMetrics(config::v1::DatabaseConfig config, int64_t interval_ms,
                                 const Clock& clock)
    : config_(std::move(config)),
      interval_ms_(interval_ms),
      clock_(clock),
      thread_([this] { Run(); }) {}

DatabaseMetrics::~DatabaseMetrics() {
  stop_.Wake();
  thread_.join();
}

std::string DatabaseMetrics::Members() const {
  const absl::MutexLock lock(&mutex_);
  const int64_t age = clock_.SteadyMillis() - members_at_ms_;
  return age <= std::max(kFreshIntervals * interval_ms_, kFreshMs) ? members_ : std::string();
}

absl::Status DatabaseMetrics::status() const {
  const absl::MutexLock lock(&mutex_);
  return status_;
}

bool DatabaseMetrics::Pause(int64_t ms) const {
  pollfd fd = {stop_.fd(), POLLIN, 0};
  return poll(&fd, 1, static_cast<int>(std::max<int64_t>(ms, 0))) == 0;
}

void DatabaseMetrics::Run() {
  pthread_setname_np(pthread_self(), "pg_metrics");
  Backoff backoff(kMinBackoffMs, kMaxBackoffMs);
  while (true) {
    const int64_t started_ms = clock_.SteadyMillis();
    absl::Status status = AskAgainAndAgain();
    if (absl::IsCancelled(status)) return;
    {
      const absl::MutexLock lock(&mutex_);
      status_ = std::move(status);
      members_.clear();
    }
    if (clock_.SteadyMillis() - started_ms > kMaxBackoffMs) backoff.Reset();
    if (!Pause(backoff.NextMs())) return;
  }
}

absl::Status DatabaseMetrics::AskAgainAndAgain() {
  absl::StatusOr<covet::postgres::Parameters> parameters =
      covet::postgres::ParametersOf(config_, "covet_metrics");
  if (!parameters.ok()) return parameters.status();
  parameters->emplace_back("tcp_user_timeout", "10000");
  absl::StatusOr<std::unique_ptr<Connection>> connection = Connection::Open(
      *parameters, absl::Now() + absl::Milliseconds(config::Millis(config_.connect_timeout())),
      stop_);
  if (!connection.ok()) return connection.status();
  before_.reset();
  size_at_ms_ = 0;
  while (true) {
    const int64_t started_ms = clock_.SteadyMillis();
    absl::StatusOr<std::string> members = Ask(**connection);
    if (!members.ok()) return members.status();
    {
      const absl::MutexLock lock(&mutex_);
      members_ = *std::move(members);
      members_at_ms_ = clock_.SteadyMillis();
      status_ = absl::OkStatus();
    }
    if (!Pause(started_ms + interval_ms_ - clock_.SteadyMillis())) {
      return absl::CancelledError("stopped");
    }
  }
}

absl::StatusOr<std::string> DatabaseMetrics::AskConnections(Connection& connection) {
  const absl::StatusOr<Rows> rows =
      connection.Query(kConnections, absl::Now() + absl::Milliseconds(kQueryTimeoutMs));
  if (!rows.ok()) return rows.status();
  int64_t active = 0;
  std::string states = "{";
  for (int row = 0; row < rows->size(); ++row) {
    // PostgreSQL has `idle in transaction (aborted)` among them.
    const std::string state =
        absl::StrReplaceAll(ToAbsl(rows->Text(row, 0)), {{"(", ""}, {")", ""}});
    const int64_t count = Number(*rows, row, 1);
    if (state == "active") active = count;
    payload::AppendIntMember(&states, state, count);
  }
  std::string out;
  payload::AppendIntMember(&out, "active_connections", active);
  payload::AppendRawMember(&out, "connections", states + "}");
  return "," + out;
}

absl::StatusOr<std::string> DatabaseMetrics::Ask(Connection& connection) {
  absl::StatusOr<std::string> out = AskConnections(connection);
  if (!out.ok()) return out;
  const absl::Time deadline = absl::Now() + absl::Milliseconds(kQueryTimeoutMs);
  const absl::StatusOr<Rows> counters = connection.Query(kCounters, deadline);
  if (!counters.ok()) return counters.status();
  if (counters->size() == 1) {
    payload::AppendIntMember(&*out, "locks", Number(*counters, 0, 4));
    payload::AppendIntMember(&*out, "locks_waiting", Number(*counters, 0, 5));
    const DatabaseCounters now{Number(*counters, 0, 0), Number(*counters, 0, 1),
                               Number(*counters, 0, 2), Number(*counters, 0, 3),
                               clock_.SteadyMicros()};
    out->append(RateMembers(before_, now));
    before_ = now;
  }
  if (size_at_ms_ == 0 || clock_.SteadyMillis() - size_at_ms_ >= kSizeMs) {
    const absl::StatusOr<Rows> size = connection.Query(kSize, deadline);
    // It needs CONNECT on the database, which we have, and time, which a large one may take.
    if (!size.ok()) return size.status();
    size_bytes_ = Number(*size, 0, 0);
    size_at_ms_ = clock_.SteadyMillis();
  }
  payload::AppendIntMember(&*out, "database_size_bytes", size_bytes_);
  return out;
}

}  // namespace covet::streams::postgres
