#include "services/streams/sources/postgres/change_stream.h"

#include <poll.h>
#include <pthread.h>

#include <algorithm>
#include <cerrno>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/config/config.h"
#include "common/logging/log.h"
#include "services/streams/sources/postgres/change_reader.h"
#include "services/streams/sources/sink_feeder.h"

namespace covet::streams::postgres {
namespace {

using covet::postgres::Connection;
using covet::postgres::Parameters;

// Between status updates where nothing asks for one. The server gives up after wal_sender_timeout,
// 60 s unless set.
constexpr int64_t kStatusMs = 500;
constexpr int64_t kIdleStatusMs = 10'000;
// Between writes of the position alone, when others write to the database and nothing of ours is
// in it.
constexpr int64_t kIdlePositionMs = 5'000;
constexpr int64_t kSetupTimeoutMs = 30'000;
// While changes keep coming and a read finds few of them, the next waits so long: to be woken for
// each costs more than the change does.
constexpr int kPaceMs = 1;
constexpr int kFewBytes = 8 << 10;

absl::StatusOr<Parameters> ReplicationParameters(const config::v1::DatabaseConfig& database) {
  absl::StatusOr<Parameters> parameters = covet::postgres::ParametersOf(database, "covet_streams");
  if (!parameters.ok()) return parameters;
  parameters->emplace_back("replication", "database");
  // Values come as text: in one form, whatever the server's settings.
  parameters->emplace_back("options",
                           "-c datestyle=ISO -c intervalstyle=postgres -c timezone=UTC "
                           "-c bytea_output=hex -c extra_float_digits=1");
  parameters->emplace_back("keepalives_idle", "10");
  parameters->emplace_back("keepalives_interval", "5");
  parameters->emplace_back("keepalives_count", "3");
  parameters->emplace_back("tcp_user_timeout", "30000");
  // Of several hosts, the one that slots live on.
  if (database.host().find(',') != std::string::npos) {
    parameters->emplace_back("target_session_attrs", "read-write");
  }
  return parameters;
}

class ChangeStream final : public SourceRun {
 public:
  ChangeStream(config::v1::DatabaseConfig database, SlotOptions options, const Clock& clock,
               SourceStart start, std::shared_ptr<SourceSink> sink)
      : database_(std::move(database)),
        options_(std::move(options)),
        clock_(clock),
        start_(std::move(start)),
        feeder_(std::move(sink), clock),
        thread_([this] { Run(); }) {}

  ~ChangeStream() override {
    stop_.Wake();
    thread_.join();
  }

 private:
  void Run() {
    pthread_setname_np(pthread_self(), "pg_changes");
    absl::Status status = Open();
    if (status.ok()) status = Follow();
    // The control thread that destroys this run ignores what comes after its end.
    feeder_.sink().Fail(std::move(status));
  }

  absl::Status Open() {
    const absl::StatusOr<Parameters> parameters = ReplicationParameters(database_);
    if (!parameters.ok()) return parameters.status();
    absl::StatusOr<std::unique_ptr<Connection>> connection = Connection::Open(
        *parameters, absl::Now() + absl::Milliseconds(config::Millis(database_.connect_timeout())),
        stop_);
    if (!connection.ok()) return connection.status();
    connection_ = *std::move(connection);
    const absl::StatusOr<OpenedSlot> opened =
        OpenSlot(*connection_, options_, SlotPosition::Parse(start_.position),
                 absl::Now() + absl::Milliseconds(kSetupTimeoutMs));
    if (!opened.ok()) return opened.status();
    if (!opened->gap_reason.empty()) {
      log::Warning("changes_lost", {{"slot", options_.slot}, {"reason", opened->gap_reason}});
    }
    if (opened->start.gap) feeder_.batch().MarkGap();
    reader_ = std::make_unique<ChangeReader>(opened->start);
    feeder_.SetKept(opened->start.at.commit_lsn);
    PQsetnonblocking(connection_->raw(), 1);
    // Where the stream begins: a slot that is lost before its first change is noticed then.
    const bool moved = opened->start.Text() != start_.position;
    if (moved && !Flush()) return absl::CancelledError("the run is over");
    feeder_.sink().SetLive();
    return absl::OkStatus();
  }

  absl::Status Follow() {
    while (true) {
      if (!feeder_.Blocked()) {
        if (absl::Status status = ReadAvailable(); !status.ok()) return status;
        if (DueForFlush() && !Flush()) return absl::CancelledError("the run is over");
      }
      if (absl::Status status = SendStatus(); !status.ok()) return status;
      bool readable = false;
      if (absl::Status status = Wait(&readable); !status.ok()) return status;
      if (readable && PQconsumeInput(connection_->raw()) == 0) {
        return absl::UnavailableError(connection_->ErrorMessage());
      }
    }
  }

  // What libpq has buffered, as far as the log takes it.
  absl::Status ReadAvailable() {
    PGconn* const connection = connection_->raw();
    while (!feeder_.Blocked()) {
      char* data = nullptr;
      const int size = PQgetCopyData(connection, &data, /*async=*/1);
      if (size == 0) return absl::OkStatus();
      if (size < 0) return End(size);
      const std::unique_ptr<char, decltype(&PQfreemem)> owner(data, &PQfreemem);
      const absl::StatusOr<ReplicationFrame> frame = DecodeFrame({data, static_cast<size_t>(size)});
      if (!frame.ok()) return frame.status();
      if (absl::Status status = reader_->Take(*frame, &feeder_.batch()); !status.ok())
        return status;
      received_ = std::max({received_, frame->start, frame->server_end});
      if (!frame->keepalive) read_bytes_ += size;
      reply_requested_ |= frame->reply_requested;
      if (feeder_.Full() && !Flush()) return absl::CancelledError("the run is over");
    }
    return absl::OkStatus();
  }

  // The server ended the stream, or the connection broke.
  absl::Status End(int size) {
    if (size == -2) return absl::UnavailableError(connection_->ErrorMessage());
    const covet::postgres::Rows result(PQgetResult(connection_->raw()));
    return absl::UnavailableError(
        absl::StrCat("the server ended the stream: ", connection_->ErrorMessage()));
  }

  bool DueForFlush() const {
    if (feeder_.Due()) return true;
    if (feeder_.committing()) return false;
    // A position alone: soon when the server waits for it, as it does before it shuts down.
    const bool moved = !reader_->in_transaction() && MovedAhead();
    return moved && (reply_requested_ || clock_.SteadyMillis() - last_flush_ms_ >= kIdlePositionMs);
  }

  // False when the run is over.
  bool Flush() {
    last_flush_ms_ = clock_.SteadyMillis();
    return feeder_.Flush(reader_->position().Text(), reader_->confirmable());
  }

  // Confirms what is kept.
  absl::Status SendStatus() {
    const int64_t now = clock_.SteadyMillis();
    const Lsn kept = feeder_.kept();
    const bool moved = kept != confirmed_;
    const bool due = now - last_status_ms_ >= (moved ? kStatusMs : kIdleStatusMs);
    if (due) feeder_.sink().SetLag({.ms = reader_->lag_ms(), .bytes = BytesBehind()});
    if (!due && !reply_requested_) return absl::OkStatus();
    // A reply that could confirm everything waits for the commit that is under way.
    if (reply_requested_ && MovedAhead() && feeder_.committing() && !due) {
      return absl::OkStatus();
    }
    const std::string update =
        EncodeStatusUpdate(std::max(received_, kept), kept, clock_.WallMillis(), false);
    if (PQputCopyData(connection_->raw(), update.data(), static_cast<int>(update.size())) < 0) {
      return absl::UnavailableError(connection_->ErrorMessage());
    }
    confirmed_ = kept;
    last_status_ms_ = now;
    reply_requested_ = false;
    return absl::OkStatus();
  }
  // Of the server's log up to what is kept; what holds nothing of ours does not count.
  int64_t BytesBehind() {
    const bool pending =
        feeder_.committing() || reader_->in_transaction() || !feeder_.batch().empty();
    const Lsn kept = pending ? feeder_.kept() : reader_->confirmable();
    return received_ > kept ? static_cast<int64_t>(received_ - kept) : 0;
  }
  bool MovedAhead() const { return reader_->confirmable() > feeder_.kept(); }

  absl::Status Wait(bool* readable) {
    const int flushing = PQflush(connection_->raw());
    if (flushing < 0) return absl::UnavailableError(connection_->ErrorMessage());
    short events = flushing > 0 ? POLLOUT : 0;
    const bool blocked = feeder_.Blocked();
    const int read_bytes = std::exchange(read_bytes_, 0);
    const bool paced = !blocked && read_bytes > 0 && read_bytes < kFewBytes;
    if (!blocked && !paced) events |= POLLIN;
    pollfd fds[] = {{PQsocket(connection_->raw()), events, 0},
                    {stop_.fd(), POLLIN, 0},
                    {feeder_.wake_fd(), POLLIN, 0}};
    const int ready = poll(fds, 3, paced ? kPaceMs : static_cast<int>(kStatusMs));
    if (ready < 0 && errno != EINTR) return absl::ErrnoToStatus(errno, "poll");
    if (fds[1].revents != 0) {
      // The server learns what is kept, so that it need not send it again.
      last_status_ms_ = 0;
      (void)SendStatus();
      (void)PQflush(connection_->raw());
      return absl::CancelledError("stopped");
    }
    if (fds[2].revents != 0) feeder_.ClearWake();
    *readable = paced || (!blocked && fds[0].revents != 0);
    return absl::OkStatus();
  }

  const config::v1::DatabaseConfig database_;
  const SlotOptions options_;
  const Clock& clock_;
  const SourceStart start_;
  WakeFd stop_;

  // On the thread.
  SinkFeeder feeder_;
  std::unique_ptr<Connection> connection_;
  std::unique_ptr<ChangeReader> reader_;
  bool reply_requested_ = false;
  int read_bytes_ = 0;  // Of changes, since the last wait.
  Lsn received_ = 0;
  Lsn confirmed_ = 0;
  int64_t last_status_ms_ = 0;
  int64_t last_flush_ms_ = 0;
  std::thread thread_;
};

class ChangeSource final : public Source {
 public:
  ChangeSource(config::v1::DatabaseConfig database, SlotOptions options, const Clock& clock)
      : database_(std::move(database)), options_(std::move(options)), clock_(clock) {}

  SourceTraits traits() const override { return {}; }
  std::unique_ptr<SourceRun> Start(SourceStart start, std::shared_ptr<SourceSink> sink) override {
    return std::make_unique<ChangeStream>(database_, options_, clock_, std::move(start),
                                          std::move(sink));
  }

 private:
  const config::v1::DatabaseConfig database_;
  const SlotOptions options_;
  const Clock& clock_;
};

}  // namespace

std::shared_ptr<Source> MakeChangeSource(config::v1::DatabaseConfig database, SlotOptions options,
                                         const Clock& clock) {
  return std::make_shared<ChangeSource>(std::move(database), std::move(options), clock);
}

}  // namespace covet::streams::postgres
