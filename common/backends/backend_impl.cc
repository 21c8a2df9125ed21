#include "common/backends/backend_impl.h"

#include <algorithm>
#include <utility>

#include "common/backends/call_outcome.h"
#include "common/backends/descriptor_set.h"
#include "common/backends/record_stream.h"
#include "common/backends/status_details.h"
#include "common/config/config.h"
#include "common/errors/error.h"
#include "common/logging/log.h"

namespace covet::backends {
namespace {

using Ticket = CircuitBreaker::Ticket;
using Outcome = CircuitBreaker::Outcome;

// How often the connectivity is asked for anew; bounds how long Stop waits for the queue.
constexpr int64_t kWatchMillis = 200;
// Between two fetches that nothing new prompts.
constexpr int64_t kFetchGapMillis = 1000;
// After failures the gap doubles, this many times.
constexpr int kMaxFailuresCounted = 5;
constexpr int64_t kRetryAfterMillis = 1000;

absl::Status Unavailable(std::string_view message, int64_t retry_after_ms) {
  return MakeError(ErrorCode::kUnavailable, message,
                   {{"retry_after_ms", std::to_string(retry_after_ms)}});
}

// FromStatus, and the time that Unavailable tells.
CallError RefusalOf(const absl::Status& status) {
  CallError error = FromStatus(status);
  const ErrorDetails details = DetailsOf(status);
  if (const auto it = details.find("retry_after_ms"); it != details.end()) {
    error.retry_after_ms = std::stoll(it->second);
    error.details.clear();
  }
  return error;
}

// A call that was over before it began.
class EndedStream final : public BackendStream {
 public:
  void Next() override {}
  void Cancel() override {}
};

}  // namespace

absl::StatusOr<std::unique_ptr<BackendImpl>> BackendImpl::Open(
    const std::string& name, const config::v1::BackendConfig& config,
    const Backends::Options& options, BackendsThread* thread) {
  std::unique_ptr<BackendImpl> backend(new BackendImpl(name, config, options, thread));
  const auto failed = [&](const absl::Status& status) {
    return absl::Status(status.code(), "backends." + name + ": " + std::string(status.message()));
  };
  auto headers = ConfiguredMetadata(config);
  if (!headers.ok()) return failed(headers.status());
  backend->headers_ = *std::move(headers);
  auto channels = OpenChannels(config, options.max_message_bytes);
  if (!channels.ok()) return failed(channels.status());
  backend->channels_ = *std::move(channels);
  if (!config.descriptor_set().empty()) {
    if (absl::Status status = backend->LoadDescriptorSet(); !status.ok()) return failed(status);
  }
  return backend;
}

BackendImpl::BackendImpl(std::string name, const config::v1::BackendConfig& config,
                         const Backends::Options& options, BackendsThread* thread)
    : name_(std::move(name)),
      config_(config),
      refresh_interval_ms_(options.refresh_interval_ms),
      max_json_bytes_(static_cast<size_t>(options.max_json_bytes)),
      methods_changed_(options.methods_changed),
      thread_(thread),
      clock_(SystemClock()),
      breaker_(config.circuit_breaker().failures(),
               config::Millis(config.circuit_breaker().open_for())) {}

std::shared_ptr<const MethodTable> BackendImpl::methods() const {
  std::lock_guard lock(mutex_);
  return methods_;
}

BackendState BackendImpl::state() const {
  BackendState state;
  state.connected = connected_.load();
  state.refused = refused_.load();
  state.retries = retries_.load();
  std::lock_guard lock(mutex_);
  state.breaker = breaker_.state();
  state.generation = methods_ ? methods_->generation() : 0;
  state.in_flight = in_flight_;
  state.last_error = schema_error_;
  if (!state.connected) state.last_error = call_error_.empty() ? "not connected" : call_error_;
  return state;
}

absl::StatusOr<std::string> BackendImpl::Enter(const Method& method, std::string_view json,
                                               std::string_view root, const CallOptions& options,
                                               Ticket* ticket) {
  std::string wire;
  if (absl::Status status = method.request.JsonToWire(json, root, &wire); !status.ok()) {
    return status;
  }
  for (const auto& [key, value] : options.metadata) {
    if (absl::Status status = CheckHeader(key, value); !status.ok()) return status;
  }
  if (absl::Status status = Admit(ticket, !method.unary()); !status.ok()) {
    refused_.fetch_add(1);
    return status;
  }
  return wire;
}

absl::Status BackendImpl::Admit(Ticket* ticket, bool stream) {
  std::lock_guard lock(mutex_);
  if (closed_) return Unavailable("the service is shutting down", kRetryAfterMillis);
  if (in_flight_ >= config_.max_concurrency()) {
    return Unavailable("the backend " + name_ + " has as many calls as it may have",
                       kRetryAfterMillis);
  }
  *ticket = Ticket::kNormal;
  if (!stream) {
    const int64_t now_ms = clock_.SteadyMillis();
    *ticket = breaker_.Admit(now_ms);
    if (*ticket == Ticket::kRefused) {
      return Unavailable("the backend " + name_ + " failed and is left alone for a while",
                         std::max<int64_t>(breaker_.WaitMillis(now_ms), 1));
    }
  }
  ++in_flight_;
  ++untold_;
  return absl::OkStatus();
}

void BackendImpl::Track(const std::shared_ptr<BackendCall>& call) {
  std::lock_guard lock(mutex_);
  calls_.emplace(call.get(), call);
  if (closed_) call->Cancel();
}

void BackendImpl::Settle(Ticket ticket, Outcome outcome) {
  bool opened;
  {
    std::lock_guard lock(mutex_);
    --in_flight_;
    const BreakerState before = breaker_.state();
    breaker_.Done(ticket, outcome, clock_.SteadyMillis());
    opened = before != breaker_.state() && outcome == Outcome::kFailure;
  }
  if (opened) log::Warning("backend_left_alone", {{"backend", name_}});
}

void BackendImpl::Leave(BackendCall* call) {
  std::shared_ptr<BackendCall> last;
  {
    std::lock_guard lock(mutex_);
    if (const auto it = calls_.find(call); it != calls_.end()) {
      last = std::move(it->second);
      calls_.erase(it);
    }
  }
  last.reset();
  std::lock_guard lock(mutex_);
  if (--untold_ == 0) idle_.notify_all();
}

std::shared_ptr<BackendCall> BackendImpl::Call(MethodRef method, std::string_view params,
                                               CallOptions options, CallDone done) {
  Ticket ticket;
  const auto wire = Enter(*method, params, "params", options, &ticket);
  if (!wire.ok()) {
    done(RefusalOf(wire.status()));
    return nullptr;
  }
  const int64_t started_ms = clock_.SteadyMillis();
  const std::shared_ptr<BackendCall*> key = std::make_shared<BackendCall*>(nullptr);
  const auto call = std::make_shared<UnaryCall>(
      this, method, *wire, std::move(options),
      [this, method, ticket, key, started_ms, done = std::move(done)](
          const grpc::Status& status, const grpc::ByteBuffer& response, int attempts) {
        if (attempts > 1) retries_.fetch_add(attempts - 1);
        CallResult result = ResultOf(*method, status, response);
        Settle(ticket, OutcomeOf(status, clock_.SteadyMillis() - started_ms));
        done(std::move(result));
        Leave(*key);
      });
  *key = call.get();
  Track(call);
  call->Start();
  return call;
}

CallResult BackendImpl::ResultOf(const Method& method, const grpc::Status& status,
                                 const grpc::ByteBuffer& response) {
  if (status.ok()) {
    std::string json;
    grpc::Slice slice;
    const absl::Status read =
        method.response.WireToJson(ViewOf(response, &slice), &json, max_json_bytes_);
    if (read.ok()) return CallResult(std::move(json));
    if (CodeOf(read) == ErrorCode::kInternal) SchemaLooksOld();
    return FromStatus(read);
  }
  if (status.error_code() == grpc::StatusCode::UNIMPLEMENTED) SchemaLooksOld();
  std::shared_ptr<const MethodTable> table;
  {
    std::lock_guard lock(mutex_);
    if (status.error_code() == grpc::StatusCode::UNAVAILABLE) call_error_ = status.error_message();
    table = methods_;
  }
  return FromBackendStatus(status, table ? &table->schema() : nullptr);
}

std::shared_ptr<BackendStream> BackendImpl::OpenStream(MethodRef method, std::string_view request,
                                                       const CallOptions& options,
                                                       StreamReader* reader) {
  Ticket ticket;
  const auto wire = Enter(*method, request, "request", options, &ticket);
  if (!wire.ok()) {
    const CallError error = RefusalOf(wire.status());
    reader->OnEnd(&error);
    return std::make_shared<EndedStream>();
  }
  const std::shared_ptr<BackendCall*> key = std::make_shared<BackendCall*>(nullptr);
  const auto stream = std::make_shared<RecordStream>(
      this, method, *wire, options, reader,
      [this, method, ticket, key, reader](const grpc::Status& status) {
        Settle(ticket, Outcome::kNeither);
        if (status.ok()) {
          reader->OnEnd(nullptr);
        } else {
          const CallResult result = ResultOf(*method, status, grpc::ByteBuffer());
          reader->OnEnd(std::get_if<CallError>(&result));
        }
        Leave(*key);
      });
  *key = stream.get();
  Track(stream);
  stream->Start();
  return stream;
}

Channel* BackendImpl::PickChannel() {
  if (channels_.size() == 1) return channels_.front().get();
  const size_t first = next_channel_.fetch_add(1, std::memory_order_relaxed);
  for (size_t i = 0; i < channels_.size(); ++i) {
    Channel* const channel = channels_[(first + i) % channels_.size()].get();
    if (channel->channel->GetState(false) == GRPC_CHANNEL_READY) return channel;
  }
  return channels_[first % channels_.size()].get();
}

void BackendImpl::CancelAll() {
  std::vector<std::shared_ptr<BackendCall>> calls;
  std::shared_ptr<ReflectionFetch> fetch;
  {
    std::lock_guard lock(mutex_);
    closed_ = true;
    for (const auto& [key, call] : calls_) calls.push_back(call);
    fetch = fetch_;
  }
  for (const auto& call : calls) call->Cancel();
  if (fetch) fetch->Cancel();
}

void BackendImpl::AwaitIdle() {
  std::unique_lock lock(mutex_);
  idle_.wait(lock, [this] { return untold_ == 0 && !fetch_running_; });
}

// What follows runs on the backends' thread.

void BackendImpl::Watch() {
  // A descriptor set was read when the backend was opened.
  if (methods_changed_ && methods()) methods_changed_(*this);
  for (const auto& channel : channels_) {
    watched_.push_back(std::make_unique<Watched>(Watched{this, channel.get(), GRPC_CHANNEL_IDLE}));
    Watched* const watched = watched_.back().get();
    OnWatched(watched, false);
  }
}

void BackendImpl::OnQueueEvent(void* tag, bool ok) {
  auto* const watched = static_cast<Watched*>(tag);
  watched->backend->OnWatched(watched, ok);
}

void BackendImpl::OnWatched(Watched* watched, bool changed) {
  if (thread_->stopping()) return;
  const grpc_connectivity_state now = watched->channel->channel->GetState(true);
  // A change that ends where it began was a reconnect too.
  const bool reconnected = now == GRPC_CHANNEL_READY && (changed || watched->last != now);
  watched->last = now;
  const bool connected = std::any_of(watched_.begin(), watched_.end(), [](const auto& each) {
    return each->last == GRPC_CHANNEL_READY;
  });
  if (connected_.exchange(connected) && !connected) {
    log::Warning("backend_lost", {{"backend", name_}});
  }
  if (reconnected) {
    log::Info("backend_connected", {{"backend", name_}});
    fetch_again_ = true;
    std::lock_guard lock(mutex_);
    call_error_.clear();
    breaker_.Reconnected(clock_.SteadyMillis());
  }
  Arm(watched);
}

void BackendImpl::Arm(Watched* watched) {
  watched->channel->channel->NotifyOnStateChange(
      watched->last, std::chrono::system_clock::now() + std::chrono::milliseconds(kWatchMillis),
      thread_->queue(), watched);
}

void BackendImpl::Tick() {
  if (fetching_) return;
  const int64_t age_ms = clock_.SteadyMillis() - fetch_started_ms_;
  const int64_t patience_ms = kFetchGapMillis << std::min(schema_failures_, kMaxFailuresCounted);
  const bool due = !ever_fetched_ || age_ms >= refresh_interval_ms_ ||
                   (schema_failures_ > 0 && age_ms >= patience_ms) ||
                   (refresh_wanted_.load() && age_ms >= kFetchGapMillis);
  if (!due && !fetch_again_) return;
  if (config_.descriptor_set().empty()) {
    if (!connected_.load()) return;
    StartFetch();
    return;
  }
  fetch_again_ = false;
  ever_fetched_ = true;
  refresh_wanted_.store(false);
  fetch_started_ms_ = clock_.SteadyMillis();
  if (absl::Status status = LoadDescriptorSet(); !status.ok()) SchemaFailed(status);
}

absl::Status BackendImpl::LoadDescriptorSet() {
  const auto files = ReadDescriptorSet(config_.descriptor_set());
  return files.ok() ? Adopt(*files) : files.status();
}

void BackendImpl::StartFetch() {
  ReflectionFetch::Options options;
  for (const auto& service : config_.services()) options.services.push_back(service.service());
  options.metadata = headers_;
  fetching_ = true;
  ever_fetched_ = true;
  fetch_again_ = false;
  refresh_wanted_.store(false);
  fetch_started_ms_ = clock_.SteadyMillis();
  {
    std::lock_guard lock(mutex_);
    if (closed_) return;
    fetch_running_ = true;
  }
  auto fetch = ReflectionFetch::Start(
      PickChannel(), std::move(options), [this](absl::StatusOr<ReflectionFetch::Files> files) {
        auto shared = std::make_shared<absl::StatusOr<ReflectionFetch::Files>>(std::move(files));
        thread_->PostAfter(0, [this, shared] { FetchDone(std::move(*shared)); });
        std::lock_guard lock(mutex_);
        fetch_running_ = false;
        fetch_.reset();
        idle_.notify_all();
      });
  std::lock_guard lock(mutex_);
  if (!fetch_running_) return;
  fetch_ = std::move(fetch);
  if (closed_) fetch_->Cancel();
}

void BackendImpl::FetchDone(absl::StatusOr<ReflectionFetch::Files> files) {
  fetching_ = false;
  const absl::Status status = files.ok() ? Adopt(*files) : files.status();
  if (!status.ok()) SchemaFailed(status);
}

absl::Status BackendImpl::Adopt(const ReflectionFetch::Files& files) {
  auto schema = protojson::Schema::Build(files);
  if (!schema.ok()) return schema.status();
  schema_failures_ = 0;
  const std::shared_ptr<const MethodTable> before = methods();
  if (before && before->schema().fingerprint() == (*schema)->fingerprint()) {
    std::lock_guard lock(mutex_);
    if (before->missing().empty()) schema_error_.clear();
    return absl::OkStatus();
  }
  const auto table = std::make_shared<const MethodTable>(config_, *std::move(schema),
                                                         before ? before->generation() + 1 : 1);
  std::string missing;
  for (const std::string& name : table->missing()) {
    missing.append(missing.empty() ? "the backend lacks " : ", ").append(name);
  }
  {
    std::lock_guard lock(mutex_);
    methods_ = table;
    schema_error_ = missing;
  }
  log::Info("backend_schema_loaded", {{"backend", name_},
                                      {"generation", table->generation()},
                                      {"methods", table->methods().size()}});
  if (!missing.empty()) {
    log::Warning("backend_schema_incomplete", {{"backend", name_}, {"error", missing}});
  }
  if (methods_changed_ && ever_fetched_) methods_changed_(*this);
  return absl::OkStatus();
}

void BackendImpl::SchemaFailed(const absl::Status& status) {
  ++schema_failures_;
  const std::string error(status.message());
  {
    std::lock_guard lock(mutex_);
    if (closed_ || schema_error_ == error) return;
    schema_error_ = error;
  }
  log::Warning("backend_schema_failed", {{"backend", name_}, {"error", error}});
}

}  // namespace covet::backends
