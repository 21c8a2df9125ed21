#include "services/streams/sources/logs/log_source.h"

#include <poll.h>
#include <pthread.h>

#include <cerrno>
#include <optional>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/streams/sources/logs/line_parser.h"
#include "services/streams/sources/logs/log_follower.h"
#include "services/streams/sources/sink_feeder.h"

namespace covet::streams::logs {
namespace {

constexpr int kTickMs = 1000;
constexpr size_t kReadBytes = 256 << 10;

class LogRun final : public SourceRun {
 public:
  LogRun(FollowOptions options, const Clock& clock, const SourceStart& start,
         std::shared_ptr<SourceSink> sink)
      : path_(options.path),
        clock_(clock),
        feeder_(std::move(sink), clock),
        follower_(std::move(options), start.position),
        parser_(absl::LocalTimeZone(), kMaxRecordBytes),
        kept_position_(start.position),
        thread_([this] { Run(); }) {}

  ~LogRun() override {
    stop_.Wake();
    thread_.join();
  }

 private:
  void Run() {
    pthread_setname_np(pthread_self(), "log_files");
    feeder_.sink().Fail(Follow());
  }

  absl::Status Follow() {
    bool live = false;
    bool more = false;
    while (true) {
      follower_.Refresh(clock_.SteadyMillis());
      if (!follower_.directory_found()) {
        // What comes later is read from its beginning: that must be known to the next run.
        if (kept_position_.empty()) feeder_.Flush(follower_.Position(), 0);
        return absl::NotFoundError(absl::StrCat("cannot read the directory of ", path_));
      }
      if (!live) feeder_.sink().SetLive();
      live = true;
      TellLeftOut();
      if (!feeder_.Blocked()) {
        more =
            follower_.ReadLines(clock_.SteadyMillis(), kReadBytes,
                                [this](std::string_view line, bool truncated,
                                       std::string_view file) { AddLine(line, truncated, file); });
        const std::string position = follower_.Position();
        // A place alone is kept when there is nothing else to do: the first one, and the end of a
        // file that was rotated away.
        const bool moved = position != kept_position_ && !more && !feeder_.committing();
        if (feeder_.Due() || moved) {
          kept_position_ = position;
          if (!feeder_.Flush(position, 0)) return absl::CancelledError("the run is over");
        }
        feeder_.sink().SetLag(more ? SourceLag{.ms = lag_ms_, .bytes = follower_.UnreadBytes()}
                                   : SourceLag{.ms = 0, .bytes = 0});
      }
      if (absl::Status status = Wait(more); !status.ok()) return status;
    }
  }

  void TellLeftOut() {
    const size_t left_out = follower_.left_out();
    if (left_out == left_out_) return;
    left_out_ = left_out;
    feeder_.sink().SetTrouble(left_out == 0
                                  ? absl::OkStatus()
                                  : absl::ResourceExhaustedError(absl::StrCat(
                                        left_out, " of the files of ", path_,
                                        " are not followed, for there are more than ", kMaxFiles)));
  }

  void AddLine(std::string_view line, bool truncated, std::string_view file) {
    if (line.empty()) return;
    const int64_t now = clock_.WallMillis();
    parser_.Parse(line, now, truncated, file, &parsed_);
    if (follower_.gap()) feeder_.batch().MarkGap();
    RecordFields fields;
    fields.timestamp_ms = parsed_.timestamp_ms;
    fields.severity = parsed_.severity;
    if (parsed_.timestamp_ms) lag_ms_ = std::max<int64_t>(0, now - *parsed_.timestamp_ms);
    if (feeder_.batch().Add(parsed_.json, fields).ok()) {
      follower_.GapTold();
    } else {
      feeder_.batch().MarkGap();
    }
  }

  absl::Status Wait(bool more) {
    const bool blocked = feeder_.Blocked();
    pollfd fds[] = {{blocked ? -1 : follower_.inotify_fd(), POLLIN, 0},
                    {stop_.fd(), POLLIN, 0},
                    {feeder_.wake_fd(), POLLIN, 0}};
    const int timeout = more && !blocked ? 0 : kTickMs;
    if (poll(fds, 3, timeout) < 0 && errno != EINTR) return absl::ErrnoToStatus(errno, "poll");
    if (fds[1].revents != 0) return absl::CancelledError("stopped");
    if (fds[2].revents != 0) feeder_.ClearWake();
    return absl::OkStatus();
  }

  const std::string path_;
  const Clock& clock_;
  WakeFd stop_;
  // On the thread.
  SinkFeeder feeder_;
  LogFollower follower_;
  LineParser parser_;
  ParsedLine parsed_;
  std::string kept_position_;
  std::optional<int64_t> lag_ms_;
  std::optional<size_t> left_out_;  // As it was told.
  std::thread thread_;
};

class LogSource final : public Source {
 public:
  LogSource(FollowOptions options, const Clock& clock)
      : options_(std::move(options)), clock_(clock) {}

  SourceTraits traits() const override { return {}; }
  std::unique_ptr<SourceRun> Start(SourceStart start, std::shared_ptr<SourceSink> sink) override {
    return std::make_unique<LogRun>(options_, clock_, start, std::move(sink));
  }

 private:
  const FollowOptions options_;
  const Clock& clock_;
};

}  // namespace

std::shared_ptr<Source> MakeLogSource(const config::v1::LogFileSourceConfig& config,
                                      const Clock& clock) {
  return std::make_shared<LogSource>(FollowOptions{config.path(), config.from_beginning(),
                                                   static_cast<size_t>(config.max_line_bytes())},
                                     clock);
}

}  // namespace covet::streams::logs
