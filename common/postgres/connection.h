#pragma once

#include <libpq-fe.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/base/wake_fd.h"
#include "covet/config/v1/services.pb.h"

// libpq with owners and deadlines.
namespace covet::postgres {

// libpq's connection parameters, by keyword.
using Parameters = std::vector<std::pair<std::string, std::string>>;

// What `config` says, with UTF-8 and `application_name`. The password is read here: errors as
// config::ResolveSecret.
absl::StatusOr<Parameters> ParametersOf(const config::v1::DatabaseConfig& config,
                                        std::string_view application_name);

// A query's rows. Values are views into it.
class Rows {
 public:
  Rows() = default;
  explicit Rows(PGresult* result) : result_(result) {}

  int size() const { return PQntuples(result_.get()); }
  bool IsNull(int row, int column) const { return PQgetisnull(result_.get(), row, column) != 0; }
  // Empty for NULL.
  std::string_view Text(int row, int column) const {
    return {PQgetvalue(result_.get(), row, column),
            static_cast<size_t>(PQgetlength(result_.get(), row, column))};
  }

 private:
  struct Clear {
    void operator()(PGresult* result) const { PQclear(result); }
  };
  std::unique_ptr<PGresult, Clear> result_;
};

// One connection. Its calls wait, on a thread of the caller's own, until they are done, `deadline`
// has passed (DEADLINE_EXCEEDED) or `stop` is awake (CANCELLED); after an error of those kinds, or
// UNAVAILABLE (connection lost), it is of no use. Errors hold PostgreSQL's message and never the
// password. Looking up a host name is libpq's and heeds neither. Not thread-safe.
class Connection {
 public:
  // UNAVAILABLE, with libpq's reason, if it cannot be made. `stop` is borrowed and outlives it.
  static absl::StatusOr<std::unique_ptr<Connection>> Open(const Parameters& parameters,
                                                          absl::Time deadline, const WakeFd& stop);

  // Runs one statement. FAILED_PRECONDITION if the server refuses it.
  absl::StatusOr<Rows> Query(const std::string& sql, absl::Time deadline);
  // Begins a statement that turns the connection into a copy stream both ways.
  absl::Status StartCopyBoth(const std::string& sql, absl::Time deadline);

  // Quoted for SQL.
  std::string Identifier(std::string_view name) const;
  std::string Literal(std::string_view text) const;

  // e.g. 150004.
  int server_version() const { return PQserverVersion(connection_.get()); }
  PGconn* raw() const { return connection_.get(); }
  // What libpq says of the last failure, in one line.
  std::string ErrorMessage() const;

 private:
  struct Finish {
    void operator()(PGconn* connection) const { PQfinish(connection); }
  };

  Connection(PGconn* connection, const WakeFd& stop) : connection_(connection), stop_(stop) {}
  absl::Status WaitFor(short events, absl::Time deadline) const;
  absl::Status Connect(absl::Time deadline);
  absl::StatusOr<PGresult*> Send(const std::string& sql, absl::Time deadline);

  const std::unique_ptr<PGconn, Finish> connection_;
  const WakeFd& stop_;
};

}  // namespace covet::postgres
