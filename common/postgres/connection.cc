#include "common/postgres/connection.h"

#include <poll.h>

#include <algorithm>
#include <cerrno>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "common/config/config.h"

namespace covet::postgres {
namespace {

absl::string_view OneLine(std::string* text) {
  absl::StripAsciiWhitespace(text);
  absl::StrReplaceAll({{"\n", "; "}, {"\t", ""}}, text);
  return *text;
}

absl::Status ServerError(PGresult* result) {
  std::string message = PQresultErrorMessage(result);
  return absl::FailedPreconditionError(OneLine(&message));
}

}  // namespace

absl::StatusOr<Parameters> ParametersOf(const config::v1::DatabaseConfig& config,
                                        std::string_view application_name) {
  Parameters parameters = {
      {"host", config.host()},       {"port", absl::StrCat(config.port())},
      {"dbname", config.database()}, {"sslmode", config.ssl_mode()},
      {"client_encoding", "UTF8"},   {"application_name", std::string(application_name)},
  };
  if (!config.user().empty()) parameters.emplace_back("user", config.user());
  if (config.has_password()) {
    absl::StatusOr<std::string> password = config::ResolveSecret(config.password());
    if (!password.ok()) return password.status();
    parameters.emplace_back("password", *std::move(password));
  }
  return parameters;
}

absl::StatusOr<std::unique_ptr<Connection>> Connection::Open(const Parameters& parameters,
                                                             absl::Time deadline,
                                                             const WakeFd& stop) {
  std::vector<const char*> keywords;
  std::vector<const char*> values;
  for (const auto& [keyword, value] : parameters) {
    keywords.push_back(keyword.c_str());
    values.push_back(value.c_str());
  }
  keywords.push_back(nullptr);
  values.push_back(nullptr);
  PGconn* raw = PQconnectStartParams(keywords.data(), values.data(), /*expand_dbname=*/0);
  if (raw == nullptr) return absl::ResourceExhaustedError("no memory for a connection");
  auto connection = std::unique_ptr<Connection>(new Connection(raw, stop));
  if (absl::Status status = connection->Connect(deadline); !status.ok()) return status;
  PQsetNoticeProcessor(
      raw, [](void*, const char*) {}, nullptr);
  return connection;
}

absl::Status Connection::WaitFor(short events, absl::Time deadline) const {
  pollfd fds[] = {{PQsocket(connection_.get()), events, 0}, {stop_.fd(), POLLIN, 0}};
  while (true) {
    const int64_t left = absl::ToInt64Milliseconds(deadline - absl::Now());
    if (left <= 0) return absl::DeadlineExceededError("the database does not answer");
    const int ready = poll(fds, 2, static_cast<int>(std::min<int64_t>(left, 60'000)));
    if (ready < 0 && errno != EINTR) return absl::ErrnoToStatus(errno, "poll");
    if (fds[1].revents != 0) return absl::CancelledError("stopped");
    if (ready > 0 && fds[0].revents != 0) return absl::OkStatus();
  }
}

absl::Status Connection::Connect(absl::Time deadline) {
  PGconn* const connection = connection_.get();
  PostgresPollingStatusType next = PGRES_POLLING_WRITING;
  while (PQstatus(connection) != CONNECTION_BAD) {
    if (next == PGRES_POLLING_OK) return absl::OkStatus();
    if (next == PGRES_POLLING_FAILED) break;
    const absl::Status status = WaitFor(next == PGRES_POLLING_READING ? POLLIN : POLLOUT, deadline);
    if (!status.ok()) return status;
    next = PQconnectPoll(connection);
  }
  return absl::UnavailableError(ErrorMessage());
}

absl::StatusOr<PGresult*> Connection::Send(const std::string& sql, absl::Time deadline) {
  PGconn* const connection = connection_.get();
  // Blocking mode: a statement is small next to a socket's buffer.
  if (PQsendQuery(connection, sql.c_str()) == 0) return absl::UnavailableError(ErrorMessage());
  while (PQisBusy(connection) != 0) {
    if (absl::Status status = WaitFor(POLLIN, deadline); !status.ok()) return status;
    if (PQconsumeInput(connection) == 0) return absl::UnavailableError(ErrorMessage());
  }
  PGresult* const result = PQgetResult(connection);
  if (result == nullptr) return absl::UnavailableError(ErrorMessage());
  return result;
}

absl::StatusOr<Rows> Connection::Query(const std::string& sql, absl::Time deadline) {
  absl::StatusOr<PGresult*> sent = Send(sql, deadline);
  if (!sent.ok()) return sent.status();
  Rows rows(*sent);
  const ExecStatusType status = PQresultStatus(*sent);
  absl::Status result;
  if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK) result = ServerError(*sent);
  // The rest of the answer, up to the server's being ready again.
  while (true) {
    while (PQisBusy(connection_.get()) != 0) {
      if (absl::Status wait = WaitFor(POLLIN, deadline); !wait.ok()) return wait;
      if (PQconsumeInput(connection_.get()) == 0) return absl::UnavailableError(ErrorMessage());
    }
    PGresult* const more = PQgetResult(connection_.get());
    if (more == nullptr) break;
    PQclear(more);
  }
  if (PQstatus(connection_.get()) == CONNECTION_BAD) {
    return absl::UnavailableError(result.ok() ? ErrorMessage() : std::string(result.message()));
  }
  if (!result.ok()) return result;
  return rows;
}

absl::Status Connection::StartCopyBoth(const std::string& sql, absl::Time deadline) {
  absl::StatusOr<PGresult*> sent = Send(sql, deadline);
  if (!sent.ok()) return sent.status();
  const Rows owner(*sent);
  if (PQresultStatus(*sent) != PGRES_COPY_BOTH) return ServerError(*sent);
  return absl::OkStatus();
}

std::string Connection::Identifier(std::string_view name) const {
  char* const quoted = PQescapeIdentifier(connection_.get(), name.data(), name.size());
  if (quoted == nullptr) return "\"\"";
  std::string result(quoted);
  PQfreemem(quoted);
  return result;
}

std::string Connection::Literal(std::string_view text) const {
  char* const quoted = PQescapeLiteral(connection_.get(), text.data(), text.size());
  if (quoted == nullptr) return "''";
  std::string result(quoted);
  PQfreemem(quoted);
  return result;
}

std::string Connection::ErrorMessage() const {
  std::string message = PQerrorMessage(connection_.get());
  OneLine(&message);
  return message.empty() ? "the connection was lost" : message;
}

}  // namespace covet::postgres
