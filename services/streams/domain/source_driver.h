#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "common/base/backoff.h"
#include "common/base/clock.h"
#include "common/base/executor.h"
#include "services/streams/domain/source.h"
#include "services/streams/domain/stream_log.h"

namespace covet::streams {

struct SourceCounters {
  int64_t starts = 0;
  int64_t failures = 0;
};

// What drivers need from outside; it outlives them.
struct SourceEnvironment {
  const Clock& clock;
  IdGenerator& ids;
  Executor& executor;  // The owner's.
  Executor& control;   // Where runs are made and destroyed.
  SourceCounters& counters;
  int64_t min_backoff_ms = 500;
  int64_t max_backoff_ms = 30'000;
  // A reader waits so long for a source that is being connected.
  int64_t connect_patience_ms = 10'000;
};

// Runs the source of one stream: starts it when it is wanted, again with backoff when it fails, and
// ends it when nobody wants it any more. Every call is on the owner's executor.
class SourceDriver final : public std::enable_shared_from_this<SourceDriver> {
 public:
  // The log must be ready before SetWanted. `start` says whose stream it is.
  SourceDriver(std::shared_ptr<Source> source, StreamLogPtr log, SourceStart start,
               SourceEnvironment& env);

  void SetWanted(bool wanted);
  // Whether it ever delivered.
  bool was_live() const { return was_live_; }
  // Runs `then` once the source is live, or with SOURCE_DOWN where it has failed or is not
  // connected in time.
  void WhenLive(std::function<void(absl::Status)> then);
  void Tick();
  // For good; `stopped` runs when nothing of it runs any more.
  void Stop(std::function<void()> stopped);

  // As people see it.
  v1::SourceState state() const {
    const bool troubled = state_ == v1::SOURCE_STATE_LIVE && !trouble_.empty();
    return troubled ? v1::SOURCE_STATE_FAILED : state_;
  }
  const std::string& last_error() const { return trouble_.empty() ? last_error_ : trouble_; }
  const SourceLag& lag() const { return lag_; }

 private:
  class Sink;
  struct Waiter {
    int64_t deadline_ms;
    std::function<void(absl::Status)> then;
  };

  void Begin();
  void End();
  void OnEnded();
  void OnLive(const Sink* from);
  void OnLag(const Sink* from, const SourceLag& lag);
  void OnTrouble(const Sink* from, const absl::Status& trouble);
  void OnFail(const Sink* from, const absl::Status& why);
  void OnAppend(const std::shared_ptr<Sink>& from, RecordBuffer records,
                std::function<void(absl::Status)> committed);
  void AnswerWaiters(const absl::Status& status);
  absl::Status Down() const;

  const std::shared_ptr<Source> source_;
  const StreamLogPtr log_;
  const SourceStart start_;
  SourceEnvironment& env_;
  Backoff backoff_;

  bool wanted_ = false;
  bool stopped_ = false;
  bool was_live_ = false;
  int64_t next_start_ms_ = 0;
  std::shared_ptr<Sink> sink_;  // Of the run, while there is one.
  // The run itself; the control thread alone looks into it.
  std::shared_ptr<std::unique_ptr<SourceRun>> run_;
  bool ending_ = false;      // The last run is being destroyed.
  int64_t uncommitted_ = 0;  // Appends of this and earlier runs.
  v1::SourceState state_ = v1::SOURCE_STATE_IDLE;
  std::string last_error_;
  std::string trouble_;  // Of a run that is live all the same.
  SourceLag lag_;
  std::vector<Waiter> waiters_;  // Bounded by the subscriptions that wait.
  std::function<void()> on_stopped_;
};

}  // namespace covet::streams
