#include "services/rpc/connection_tester.h"

#include <libpq-fe.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace covet::rpc {
namespace {

using ConnectionPtr = std::unique_ptr<PGconn, decltype(&PQfinish)>;

// What libpq says, in one line.
absl::Status ErrorOf(const PGconn* connection) {
  std::string text(absl::StripAsciiWhitespace(PQerrorMessage(connection)));
  std::replace(text.begin(), text.end(), '\n', ' ');
  return absl::UnavailableError(text.empty() ? "the connection failed" : text);
}

ConnectionPtr StartConnecting(const Database& database) {
  const std::string port = std::to_string(database.port);
  std::vector<const char*> names;
  std::vector<const char*> values;
  // The values must live until libpq has read them.
  const auto add = [&](const char* name, const char* value) {
    if (*value == '\0') return;
    names.push_back(name);
    values.push_back(value);
  };
  add("host", database.host.c_str());
  add("port", port.c_str());
  add("dbname", database.database.c_str());
  add("user", database.user.c_str());
  add("password", database.password.c_str());
  add("sslmode", database.ssl_mode.c_str());
  add("application_name", "covet");
  names.push_back(nullptr);
  values.push_back(nullptr);
  return {PQconnectStartParams(names.data(), values.data(), /*expand_dbname=*/0), PQfinish};
}

}  // namespace

// One test. Its descriptor wakes the thread that runs it.
class ConnectionTester::Job final : public backends::BackendCall {
 public:
  Job(const Database& database, const Clock& clock, int64_t timeout_ms, Done done)
      : database_(database),
        clock_(clock),
        deadline_us_(clock.SteadyMicros() + timeout_ms * 1000),
        done_(std::move(done)),
        cancelled_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {}
  ~Job() override {
    if (cancelled_ >= 0) close(cancelled_);
  }

  void Cancel() override {
    const uint64_t one = 1;
    // It is full only if it was written before.
    [[maybe_unused]] const ssize_t written = write(cancelled_, &one, sizeof one);
  }

  void Run() { done_(Connect()); }

 private:
  absl::StatusOr<double> Connect() {
    if (cancelled_ < 0) return absl::InternalError(absl::StrCat("eventfd: ", strerror(errno)));
    // Before libpq looks the name up, which takes no notice of a deadline.
    if (absl::Status wait = Wait(-1, 0, 0); !wait.ok()) return wait;
    const int64_t started_us = clock_.SteadyMicros();
    const ConnectionPtr connection = StartConnecting(database_);
    if (connection == nullptr) return absl::ResourceExhaustedError("out of memory");
    if (PQstatus(connection.get()) == CONNECTION_BAD) return ErrorOf(connection.get());
    PostgresPollingStatusType next = PGRES_POLLING_WRITING;
    while (next != PGRES_POLLING_OK) {
      if (next == PGRES_POLLING_FAILED) return ErrorOf(connection.get());
      const short events = next == PGRES_POLLING_READING ? POLLIN : POLLOUT;
      if (absl::Status wait = Wait(PQsocket(connection.get()), events, -1); !wait.ok()) return wait;
      next = PQconnectPoll(connection.get());
    }
    return static_cast<double>(clock_.SteadyMicros() - started_us) * 1e-3;
  }

  // Until the socket is ready, or for `timeout_ms` where that is not negative.
  absl::Status Wait(int socket, short events, int timeout_ms) {
    for (;;) {
      const int64_t left_us = deadline_us_ - clock_.SteadyMicros();
      if (left_us <= 0) return absl::DeadlineExceededError("the time ran out");
      pollfd fds[] = {{cancelled_, POLLIN, 0}, {socket, events, 0}};
      const int wait_ms = timeout_ms >= 0 ? timeout_ms : static_cast<int>(left_us / 1000 + 1);
      const int ready = poll(fds, socket < 0 ? 1 : 2, wait_ms);
      if (ready < 0 && errno != EINTR) {
        return absl::InternalError(absl::StrCat("poll: ", strerror(errno)));
      }
      if (fds[0].revents != 0) return absl::CancelledError("cancelled");
      if (ready > 0 || timeout_ms >= 0) return absl::OkStatus();
    }
  }

  const Database& database_;
  const Clock& clock_;
  const int64_t deadline_us_;
  const Done done_;
  const int cancelled_;
};

ConnectionTester::ConnectionTester(const Options& options, const Clock& clock)
    : options_(options), clock_(clock) {
  for (size_t i = 0; i < options_.threads; ++i) {
    threads_.emplace_back([this] { Run(); });
    pthread_setname_np(threads_.back().native_handle(), "db-test");
  }
}

ConnectionTester::~ConnectionTester() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    for (const auto& job : waiting_) job->Cancel();
    for (const auto& job : running_) job->Cancel();
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

std::shared_ptr<backends::BackendCall> ConnectionTester::Test(const Database& database,
                                                              int64_t timeout_ms, Done done) {
  auto job = std::make_shared<Job>(database, clock_, timeout_ms, std::move(done));
  {
    std::lock_guard lock(mutex_);
    if (stopping_ || waiting_.size() >= options_.max_waiting) return nullptr;
    waiting_.push_back(job);
  }
  wake_.notify_one();
  return job;
}

void ConnectionTester::Run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
    // What still waits at the end has been cancelled, and ends here as well.
    if (waiting_.empty()) return;
    const std::shared_ptr<Job> job = std::move(waiting_.front());
    waiting_.pop_front();
    running_.push_back(job);
    lock.unlock();
    job->Run();
    lock.lock();
    running_.erase(std::find(running_.begin(), running_.end(), job));
  }
}

}  // namespace covet::rpc
