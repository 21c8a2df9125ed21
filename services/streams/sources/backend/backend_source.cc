#include "services/streams/sources/backend/backend_source.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "common/backends/caller_metadata.h"
#include "common/base/thread_executor.h"
#include "common/logging/log.h"
#include "services/streams/sources/backend/stream_request.h"

namespace covet::streams::backend {
namespace {

// A server may send its headers with its first message only: a call that has not failed by then is
// taken for open.
constexpr int64_t kOpenMs = 500;
constexpr int64_t kOpenTickMs = 50;

// Makes sinks live some time after their call began.
class LiveTimer {
 public:
  explicit LiveTimer(const Clock& clock) : clock_(clock) {}

  void Add(std::shared_ptr<SourceSink> sink) {
    const std::lock_guard lock(mutex_);
    waiting_.emplace_back(clock_.SteadyMillis() + kOpenMs, std::move(sink));
  }

 private:
  void Tick() {
    std::vector<std::shared_ptr<SourceSink>> due;
    {
      const std::lock_guard lock(mutex_);
      const int64_t now = clock_.SteadyMillis();
      const auto end = std::partition_point(waiting_.begin(), waiting_.end(),
                                            [now](const auto& item) { return item.first <= now; });
      for (auto it = waiting_.begin(); it != end; ++it) due.push_back(std::move(it->second));
      waiting_.erase(waiting_.begin(), end);
    }
    // Nothing happens to those whose run is over.
    for (const auto& sink : due) sink->SetLive();
  }

  const Clock& clock_;
  std::mutex mutex_;
  std::vector<std::pair<int64_t, std::shared_ptr<SourceSink>>> waiting_ ABSL_GUARDED_BY(mutex_);
  ThreadExecutor thread_{"backend-streams", kOpenTickMs, [this] { Tick(); }};
};

// The call of a run. It lives on in its callbacks until it is over.
class Call final : public backends::StreamReader, public std::enable_shared_from_this<Call> {
 public:
  Call(bool again, const Clock& clock, std::shared_ptr<SourceSink> sink)
      : clock_(clock), sink_(std::move(sink)), gap_(again) {}

  void Open(backends::Backend& backend, backends::MethodRef method, const std::string& request,
            const backends::CallOptions& options) {
    self_ = shared_from_this();  // Until OnEnd.
    std::shared_ptr<backends::BackendStream> stream =
        backend.OpenStream(std::move(method), request, options, this);
    {
      const std::lock_guard lock(mutex_);
      stream_ = stream;
    }
    stream->Next();
  }

  // Cancels and waits for the end.
  void End() {
    Stream()->Cancel();
    ended_.WaitForNotification();
  }

 private:
  void OnOpen() override { sink_->SetLive(); }

  void OnRecord(std::string json) override {
    RecordBuffer records(clock_.WallMillis());
    if (std::exchange(gap_, false)) records.MarkGap();
    if (!json.starts_with('{')) json = absl::StrCat("{\"value\":", json, "}");
    if (absl::Status added = records.Add(json); !added.ok()) {
      log::Warning("record_refused", {{"error", std::string(added.message())}});
      gap_ = true;
      return Next();
    }
    sink_->SetLive();
    sink_->SetLag({.ms = 0});
    // The callback may come before Append returns.
    const auto waiting = std::make_shared<std::atomic<int>>(2);
    const auto go_on = [self = shared_from_this(), waiting] {
      if (waiting->fetch_sub(1) == 1) self->Next();
    };
    const SourceAppend result =
        sink_->Append(std::move(records), [go_on](const absl::Status& status) {
          if (status.ok()) go_on();
        });
    switch (result) {
      case SourceAppend::kQueued:
        // Whatever the commit says now, it does not ask again.
        if (waiting->exchange(-1) > 0) Next();
        break;
      case SourceAppend::kBackpressure:
        go_on();
        break;
      case SourceAppend::kRefused:
        break;
    }
  }

  void OnEnd(const backends::CallError* error) override {
    sink_->Fail(error == nullptr
                    ? absl::UnavailableError("the backend ended the stream")
                    : absl::UnavailableError(absl::StrCat(error->code, ": ", error->message)));
    const std::shared_ptr<Call> self = std::move(self_);
    ended_.Notify();
  }

  std::shared_ptr<backends::BackendStream> Stream() {
    const std::lock_guard lock(mutex_);
    return stream_;
  }
  void Next() {
    if (const auto stream = Stream()) stream->Next();
  }

  const Clock& clock_;
  const std::shared_ptr<SourceSink> sink_;
  bool gap_;  // The next record is told to come after a gap. One callback at a time.
  std::mutex mutex_;
  std::shared_ptr<backends::BackendStream> stream_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<Call> self_;
  absl::Notification ended_;
};

class BackendRun final : public SourceRun {
 public:
  explicit BackendRun(std::shared_ptr<Call> call) : call_(std::move(call)) {}
  ~BackendRun() override {
    if (call_ != nullptr) call_->End();
  }

 private:
  const std::shared_ptr<Call> call_;  // Null if none could be made.
};

class BackendSource final : public Source {
 public:
  BackendSource(config::v1::BackendStreamSourceConfig config, backends::Backends& backends,
                const Clock& clock)
      : config_(std::move(config)), backends_(backends), clock_(clock), live_(clock) {}

  SourceTraits traits() const override {
    return {.on_demand = true,
            .per_user = config_.per_user(),
            .per_filter = !config_.filter_fields().empty()};
  }

  std::unique_ptr<SourceRun> Start(SourceStart start, std::shared_ptr<SourceSink> sink) override {
    absl::StatusOr<std::shared_ptr<Call>> call = StartCall(start, sink);
    if (call.ok()) return std::make_unique<BackendRun>(*std::move(call));
    sink->Fail(call.status());
    return std::make_unique<BackendRun>(nullptr);
  }

 private:
  absl::StatusOr<std::shared_ptr<Call>> StartCall(const SourceStart& start,
                                                  const std::shared_ptr<SourceSink>& sink) {
    backends::Backend* const backend = backends_.Find(config_.backend());
    if (backend == nullptr) {
      return absl::NotFoundError(absl::StrCat("there is no backend ", config_.backend()));
    }
    const std::shared_ptr<const backends::MethodTable> table = backend->methods();
    if (table == nullptr) {
      const std::string error = backend->state().last_error;
      return absl::UnavailableError(error.empty() ? "the backend has not answered yet" : error);
    }
    const backends::Method* const method = table->Find(config_.method());
    if (method == nullptr) {
      backend->Refresh();
      return absl::NotFoundError(
          absl::StrCat("the backend ", config_.backend(), " has no method ", config_.method()));
    }
    if (!method->server_streaming || method->client_streaming) {
      return absl::FailedPreconditionError(
          absl::StrCat(config_.method(), " is no server-streaming method"));
    }
    const absl::StatusOr<std::string> request = StreamRequest(config_, start.filter);
    if (!request.ok()) return request.status();
    backends::CallOptions options;
    options.timeout_ms = 0;
    if (config_.per_user() && start.identity != nullptr) {
      options.metadata = backends::CallerMetadata(*start.identity);
    }
    auto call = std::make_shared<Call>(start.again, clock_, sink);
    live_.Add(sink);
    call->Open(*backend, backends::RefTo(table, method), *request, options);
    return call;
  }

  const config::v1::BackendStreamSourceConfig config_;
  backends::Backends& backends_;
  const Clock& clock_;
  LiveTimer live_;
};

}  // namespace

std::shared_ptr<Source> MakeBackendSource(config::v1::BackendStreamSourceConfig config,
                                          backends::Backends& backends, const Clock& clock) {
  return std::make_shared<BackendSource>(std::move(config), backends, clock);
}

}  // namespace covet::streams::backend
