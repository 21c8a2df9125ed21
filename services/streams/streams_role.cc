#include "services/streams/streams_role.h"

#include <map>
#include <utility>
#include <vector>

#include "absl/synchronization/notification.h"
#include "common/base/thread_executor.h"
#include "common/eventlog/memory_event_log.h"
#include "common/eventlog/sqlite_event_log.h"
#include "common/logging/log.h"
#include "services/streams/stream_service.h"
#include "services/streams/streams_metrics.h"
#include "services/streams/streams_options.h"

namespace covet::streams {
namespace {

constexpr int64_t kTickMs = 100;
// Of the threads that only do what they are given.
constexpr int64_t kIdleTickMs = 60'000;

// The order of members is the order of lives: logs call back into the executor, which runs the
// core.
class StreamsRole final : public server::Role {
 public:
  explicit StreamsRole(const server::RoleContext& context)
      : context_(context), metrics_(context.metrics) {}

  absl::Status Open() {
    if (absl::Status status = MakeBackends(); !status.ok()) return status;
    auto definitions = DefinitionsFrom(*context_.config, SourceToolsOf());
    if (!definitions.ok()) return definitions.status();
    const std::string directory = context_.config->storage().data_dir() + "/streams";
    eventlog::SqliteOptions log_options;
    log_options.directory = directory;
    log_options.queue_bytes = context_.config->storage().queue_bytes();
    log_options.observer = &metrics_.log();
    log_options.clock = context_.clock;
    auto disk = eventlog::OpenSqliteEventLog(log_options);
    if (!disk.ok()) return disk.status();
    disk_ = *std::move(disk);
    memory_ = std::make_unique<eventlog::MemoryEventLog>(
        eventlog::MemoryOptions{.queue_bytes = context_.config->storage().queue_bytes()});
    control_ = std::make_unique<ThreadExecutor>("streams-sources", kIdleTickMs, [] {});
    delivery_ = std::make_unique<ThreadExecutor>("streams-deliver", kIdleTickMs, [] {});
    executor_ = std::make_unique<ThreadExecutor>("streams", kTickMs, [this] { Tick(); });

    absl::Notification started;
    absl::Status result;
    executor_->Post([&] {
      core_ = std::make_unique<StreamsCore>(
          OptionsFrom(*context_.config),
          CoreEnvironment{*context_.clock, *context_.ids, *executor_, *control_, *disk_, *memory_,
                          *context_.policy});
      core_->SetResources(*std::move(definitions), [&](const absl::Status& status) {
        result = status;
        ready_ = status.ok();
        started.Notify();
      });
    });
    started.WaitForNotification();
    if (!result.ok()) return result;
    service_ = std::make_unique<StreamService>(
        ServiceTools{*context_.calls, *context_.clock, *executor_, *delivery_, *core_});
    log::Info("streams_opened", {{"directory", directory},
                                 {"resources", context_.config->streams().resources_size()}});
    return absl::OkStatus();
  }

  ~StreamsRole() override { Stop(); }

  std::string_view name() const override { return "streams"; }
  std::vector<grpc::Service*> services() override { return {service_.get()}; }
  absl::Status Start() override {
    if (backends_ != nullptr) backends_->Start();
    return absl::OkStatus();
  }
  bool Ready() const override { return true; }

  // What was accepted is committed by Stop; edges have drained already, and other callers retry.
  void Drain(int64_t, std::function<void()> done) override { done(); }

  void Stop() override {
    if (executor_ == nullptr) return;
    absl::Notification stopped;
    executor_->Post([&] {
      ready_ = false;
      if (core_ == nullptr) return stopped.Notify();
      core_->StopSources([&] { stopped.Notify(); });
    });
    stopped.WaitForNotification();
    control_->Stop();
    if (backends_ != nullptr) backends_->Stop();
    // No call is left to answer. The core must be still before the logs go, for it calls them; they
    // commit what they accepted, and their last callbacks find the executors stopped.
    executor_->Stop();
    delivery_->Stop();
    disk_.reset();
    memory_.reset();
    core_.reset();
    executor_.reset();
  }

  void Reload(std::shared_ptr<const config::v1::Config> config) override {
    auto definitions = DefinitionsFrom(*config, SourceToolsOf());
    if (!definitions.ok()) {
      log::Error("streams_not_reloaded", {{"error", std::string(definitions.status().message())}});
    }
    executor_->Post([this, definitions = std::move(definitions)]() mutable {
      core_->ReviewPermissions();
      if (!definitions.ok()) return;
      core_->SetResources(*std::move(definitions), [](const absl::Status& status) {
        if (!status.ok()) {
          log::Error("streams_not_opened", {{"error", std::string(status.message())}});
        }
      });
    });
  }

 private:
  void Tick() {
    if (!ready_) return;
    core_->Tick();
    metrics_.Copy(*core_);
  }

  SourceTools SourceToolsOf() const { return {*context_.clock, backends_.get()}; }

  // Those that streams come from; rpc has its own.
  absl::Status MakeBackends() {
    std::map<std::string, config::v1::BackendConfig> used;
    for (const config::v1::StreamResourceConfig& resource :
         context_.config->streams().resources()) {
      if (!resource.has_backend_stream()) continue;
      const std::string& name = resource.backend_stream().backend();
      const auto backend = context_.config->backends().find(name);
      if (backend != context_.config->backends().end()) used.emplace(name, backend->second);
    }
    if (used.empty()) return absl::OkStatus();
    backends::Backends::Options options;
    options.role = "streams";
    options.metrics = context_.metrics;
    auto backends = backends::Backends::Create(used, std::move(options));
    if (!backends.ok()) return backends.status();
    backends_ = *std::move(backends);
    return absl::OkStatus();
  }

  const server::RoleContext context_;
  StreamsMetrics metrics_;
  std::unique_ptr<backends::Backends> backends_;  // Null without a source that needs one.
  std::unique_ptr<eventlog::EventLog> disk_;
  std::unique_ptr<eventlog::EventLog> memory_;
  std::unique_ptr<ThreadExecutor> control_;
  std::unique_ptr<ThreadExecutor> delivery_;
  std::unique_ptr<ThreadExecutor> executor_;
  std::unique_ptr<StreamsCore> core_;
  bool ready_ = false;  // On the executor.
  std::unique_ptr<StreamService> service_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<server::Role>> MakeStreamsRole(const server::RoleContext& context) {
  auto role = std::make_unique<StreamsRole>(context);
  if (absl::Status status = role->Open(); !status.ok()) return status;
  return role;
}

}  // namespace covet::streams
