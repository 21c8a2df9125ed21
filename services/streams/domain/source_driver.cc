#include "services/streams/domain/source_driver.h"

#include <atomic>
#include <mutex>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "services/streams/domain/errors.h"

namespace covet::streams {

// The sink of one run. After Close it touches nothing of the driver's world.
class SourceDriver::Sink final : public SourceSink, public std::enable_shared_from_this<Sink> {
 public:
  explicit Sink(std::shared_ptr<SourceDriver> driver)
      : driver_(std::move(driver)), executor_(driver_->env_.executor) {}

  SourceAppend Append(RecordBuffer records, std::function<void(absl::Status)> committed) override {
    if (committed == nullptr) committed = [](const absl::Status&) {};
    const auto bytes = static_cast<int64_t>(records.bytes());
    const int64_t queued = queued_bytes_.fetch_add(bytes) + bytes;
    if (queued > 2 * kSourceQueueBytes && queued != bytes) {
      Fail(absl::ResourceExhaustedError("the source does not wait for its commits"));
    } else if (Post([records = std::make_shared<RecordBuffer>(std::move(records)), committed,
                     self = shared_from_this()](SourceDriver& driver) mutable {
                 driver.OnAppend(self, std::move(*records), std::move(committed));
               })) {
      return queued > kSourceQueueBytes ? SourceAppend::kBackpressure : SourceAppend::kQueued;
    }
    queued_bytes_ -= bytes;
    committed(absl::CancelledError("the run is over"));
    return SourceAppend::kRefused;
  }

  void SetLive() override {
    Post([this](SourceDriver& driver) { driver.OnLive(this); });
  }
  void SetLag(SourceLag lag) override {
    Post([this, lag](SourceDriver& driver) { driver.OnLag(this, lag); });
  }
  void SetTrouble(absl::Status trouble) override {
    Post([this, trouble = std::move(trouble)](SourceDriver& driver) {
      driver.OnTrouble(this, trouble);
    });
  }
  void Fail(absl::Status why) override {
    Post([this, why = std::move(why)](SourceDriver& driver) { driver.OnFail(this, why); });
  }

  void Committed(int64_t bytes) { queued_bytes_ -= bytes; }

  void Close() {
    std::shared_ptr<SourceDriver> driver;
    const std::lock_guard lock(mutex_);
    driver.swap(driver_);
  }

 private:
  // False after Close. The driver that `act` is given keeps this alive.
  template <typename Act>
  bool Post(Act act) {
    const std::lock_guard lock(mutex_);
    if (driver_ == nullptr) return false;
    executor_.Post([driver = driver_, self = shared_from_this(), act = std::move(act)]() mutable {
      act(*driver);
    });
    return true;
  }

  std::mutex mutex_;
  std::shared_ptr<SourceDriver> driver_ ABSL_GUARDED_BY(mutex_);
  Executor& executor_;
  std::atomic<int64_t> queued_bytes_{0};
};

SourceDriver::SourceDriver(std::shared_ptr<Source> source, StreamLogPtr log, SourceStart start,
                           SourceEnvironment& env)
    : source_(std::move(source)),
      log_(std::move(log)),
      start_(std::move(start)),
      env_(env),
      backoff_(env.min_backoff_ms, env.max_backoff_ms, &env.ids) {}

void SourceDriver::SetWanted(bool wanted) {
  wanted_ = wanted;
  Tick();
}

void SourceDriver::Tick() {
  const int64_t now = env_.clock.SteadyMillis();
  if (sink_ != nullptr && !wanted_) {
    End();
    state_ = v1::SOURCE_STATE_IDLE;
  }
  // A run begins where all that earlier ones handed in has left the log.
  const bool idle = sink_ == nullptr && !ending_ && !stopped_ && uncommitted_ == 0;
  if (idle && wanted_ && now >= next_start_ms_) Begin();
  std::vector<Waiter> late;
  std::erase_if(waiters_, [&](Waiter& waiter) {
    if (now < waiter.deadline_ms) return false;
    late.push_back(std::move(waiter));
    return true;
  });
  for (Waiter& waiter : late) waiter.then(Down());
}

void SourceDriver::Begin() {
  SourceStart start = start_;
  start.position = log_->position();
  start.again = was_live_ || !start.position.empty() || log_->head() > 0;
  state_ = v1::SOURCE_STATE_CONNECTING;
  ++env_.counters.starts;
  sink_ = std::make_shared<Sink>(shared_from_this());
  run_ = std::make_shared<std::unique_ptr<SourceRun>>();
  env_.control.Post([source = source_, start = std::move(start), sink = sink_,
                     run = run_]() mutable { *run = source->Start(std::move(start), sink); });
}

void SourceDriver::End() {
  sink_->Close();
  sink_.reset();
  lag_ = {};
  trouble_.clear();
  ending_ = true;
  env_.control.Post([run = std::exchange(run_, nullptr), self = shared_from_this()] {
    run->reset();
    self->env_.executor.Post([self] { self->OnEnded(); });
  });
}

void SourceDriver::OnEnded() {
  ending_ = false;
  if (stopped_) {
    if (auto stopped = std::exchange(on_stopped_, nullptr)) stopped();
    return;
  }
  Tick();
}

void SourceDriver::Stop(std::function<void()> stopped) {
  stopped_ = true;
  wanted_ = false;
  state_ = v1::SOURCE_STATE_IDLE;
  on_stopped_ = std::move(stopped);
  AnswerWaiters(Down());
  if (sink_ != nullptr) {
    End();
  } else if (!ending_) {
    std::exchange(on_stopped_, nullptr)();
  }
}

void SourceDriver::WhenLive(std::function<void(absl::Status)> then) {
  if (state_ == v1::SOURCE_STATE_LIVE) return then(absl::OkStatus());
  if (state_ == v1::SOURCE_STATE_FAILED || stopped_) return then(Down());
  waiters_.push_back({env_.clock.SteadyMillis() + env_.connect_patience_ms, std::move(then)});
}

void SourceDriver::AnswerWaiters(const absl::Status& status) {
  for (Waiter& waiter : std::exchange(waiters_, {})) waiter.then(status);
}

absl::Status SourceDriver::Down() const {
  return SubscriptionFailed("SOURCE_DOWN", last_error_.empty()
                                               ? "the source does not deliver"
                                               : "the source does not deliver: " + last_error_);
}

void SourceDriver::OnLive(const Sink* from) {
  if (from != sink_.get()) return;
  was_live_ = true;
  state_ = v1::SOURCE_STATE_LIVE;
  last_error_.clear();
  AnswerWaiters(absl::OkStatus());
}

void SourceDriver::OnLag(const Sink* from, const SourceLag& lag) {
  if (from == sink_.get()) lag_ = lag;
}

void SourceDriver::OnTrouble(const Sink* from, const absl::Status& trouble) {
  if (from == sink_.get()) trouble_ = std::string(trouble.message());
}

void SourceDriver::OnFail(const Sink* from, const absl::Status& why) {
  if (from != sink_.get()) return;
  ++env_.counters.failures;
  state_ = v1::SOURCE_STATE_FAILED;
  last_error_ = std::string(why.message());
  next_start_ms_ = env_.clock.SteadyMillis() + backoff_.NextMs();
  End();
  AnswerWaiters(Down());
}

void SourceDriver::OnAppend(const std::shared_ptr<Sink>& from, RecordBuffer records,
                            std::function<void(absl::Status)> committed) {
  const auto bytes = static_cast<int64_t>(records.bytes());
  if (from != sink_) {
    from->Committed(bytes);
    return committed(absl::CancelledError("the run is over"));
  }
  ++uncommitted_;
  log_->Append(std::move(records), /*bounded=*/false,
               [self = shared_from_this(), from, bytes,
                committed = std::move(committed)](const absl::StatusOr<Appended>& appended) {
                 --self->uncommitted_;
                 from->Committed(bytes);
                 if (appended.ok()) {
                   if (from == self->sink_) self->backoff_.Reset();
                 } else {
                   self->OnFail(from.get(), appended.status());
                 }
                 committed(appended.status());
               });
}

}  // namespace covet::streams
