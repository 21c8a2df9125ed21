#include "common/server/process.h"

#include <grpc/support/log.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <future>
#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/synchronization/mutex.h"
#include "common/auth/grpc_authenticator.h"
#include "common/base/clock.h"
#include "common/base/id_generator.h"
#include "common/config/config.h"
#include "common/logging/audit.h"
#include "common/logging/log.h"
#include "common/metrics/process_collector.h"
#include "common/server/admin_server.h"
#include "common/server/auth_config.h"
#include "common/server/call.h"
#include "common/server/call_metrics.h"
#include "common/server/channels.h"
#include "common/server/control.h"
#include "common/server/grpc_server.h"
#include "common/server/keep_warm.h"
#include "common/server/logging_config.h"
#include "common/server/open_calls.h"
#include "common/server/operator_metrics.h"
#include "common/server/service_manager.h"
#include "common/server/signals.h"

namespace covet::server {
namespace {

using config::v1::Config;

// What a drain may take beyond the times that are configured, and what services and their last
// calls get.
constexpr int64_t kEdgeDrainSlackMs = 15'000;
constexpr int64_t kServiceDrainMs = 5'000;
constexpr int64_t kServerShutdownMs = 1'000;

// gRPC's own words become log lines like any other.
void LogFromGrpc(gpr_log_func_args* args) {
  const log::Level level =
      args->severity == GPR_LOG_SEVERITY_ERROR ? log::Level::kWarning : log::Level::kDebug;
  if (!log::Enabled(level)) return;
  log::Write(level, "grpc_library",
             {{"error", args->message}, {"file", args->file}, {"line", args->line}});
}

std::string Text(const absl::Status& status) { return std::string(status.message()); }

class Process {
 public:
  Process(const ProcessOptions& options, Control& control)
      : options_(options), config_(options.config), control_(control), call_metrics_(&metrics_) {}

  int Run() {
    const absl::Status started = Start();
    if (!started.ok()) {
      log::Error("start_failed", {{"error", Text(started)}});
      Stop();
      return 1;
    }
    while (control_.Wait() == Control::Event::kReload) Reload();
    const absl::Status failure = control_.failure();
    if (!failure.ok()) log::Error("role_failed", {{"error", Text(failure)}});
    Drain();
    Stop();
    log::Info("stopped");
    return failure.ok() ? 0 : 1;
  }

 private:
  absl::Status Start() {
    process_metrics_ = metrics::AddProcessMetrics(&metrics_);
    process_metrics_.push_back(metrics_.AddCallbackCounter(
        "covet_log_lines_dropped_total", "Log lines dropped because the writer was behind.", {},
        [] { return static_cast<double>(log::DroppedLines()); }));
    metrics_
        .AddGauge("covet_build_info", "Always 1; the version is in the label.",
                  {{"version", options_.version}})
        .Set(1);
    last_reload_.Set(1);
    operator_metrics_ = AddOperatorMetrics(&metrics_, *config_);
    auto admin = AdminServer::Start(config_->admin().listen(),
                                    {.metrics = [this] { return metrics_.TextExposition(); },
                                     .unready = [this] { return Unready(); }});
    if (!admin.ok()) return admin.status();
    admin_ = *std::move(admin);

    absl::Status status = StartAuthentication();
    if (status.ok()) status = MakeRoles();
    if (status.ok()) status = StartServer();
    if (!status.ok()) return status;
    for (const auto& role : roles_) {
      status = role->Start();
      if (!status.ok())
        return absl::Status(status.code(),
                            absl::StrCat(std::string(role->name()), ": ", Text(status)));
    }
    server_->SetServing(true);
    running_ = true;
    log::Info("started", {{"version", options_.version},
                          {"roles", absl::StrJoin(config::RolesOf(*config_), ",")},
                          {"grpc", absl::StrCat(server_->port())},
                          {"admin", absl::StrCat(admin_->port())}});
    TellServiceManager("READY=1");
    return absl::OkStatus();
  }

  absl::Status StartAuthentication() {
    auto keys = AuthKeysOf(*config_);
    if (!keys.ok()) return keys.status();
    auto policy = PolicyOf(*config_);
    if (!policy.ok()) return policy.status();
    // Nobody else needs to know the key of a process that runs everything.
    std::string cluster_key = absl::StrCat(SystemIds().NewId(""), SystemIds().NewId(""));
    if (config_->peers().cluster_key().source_case() != config::v1::Secret::SOURCE_NOT_SET) {
      auto resolved = config::ResolveSecret(config_->peers().cluster_key());
      if (!resolved.ok()) return resolved.status();
      cluster_key = *std::move(resolved);
    }
    users_.emplace(*std::move(keys), SystemClock());
    policy_.emplace(*std::move(policy));
    peers_.emplace(std::move(cluster_key), SystemClock());
    authenticator_.emplace(*users_, *peers_, SystemClock());
    open_calls_.emplace(*authenticator_);
    calls_ = {&*authenticator_, &call_metrics_, &SystemClock(), &SystemIds(), &*open_calls_};
    const std::string own_role = absl::StrJoin(config_->targets(), "-");
    channels_ = std::make_unique<Channels>(
        config_, [this, own_role] { return auth::MakePeerTokenInterceptor(*peers_, own_role); });
    return absl::OkStatus();
  }

  absl::Status MakeRoles() {
    RoleContext context;
    context.config = config_;
    context.metrics = &metrics_;
    context.authenticator = &*authenticator_;
    context.calls = &calls_;
    context.users = &*users_;
    context.policy = &*policy_;
    context.channels = channels_.get();
    context.clock = &SystemClock();
    context.ids = &SystemIds();
    context.fail = [this](absl::Status status) { control_.Fail(std::move(status)); };
    for (const std::string& name : config::RolesOf(*config_)) {
      const auto entry =
          std::find_if(options_.roles.begin(), options_.roles.end(),
                       [&](const RoleEntry& candidate) { return candidate.name == name; });
      if (entry == options_.roles.end()) {
        if (!config::RunsEverything(*config_)) {
          return absl::UnimplementedError(absl::StrCat("this program has no role ", name));
        }
        log::Warning("role_missing", {{"role", name}});
        continue;
      }
      auto role = entry->make(context);
      if (!role.ok())
        return absl::Status(role.status().code(), absl::StrCat(name, ": ", Text(role.status())));
      roles_.push_back(*std::move(role));
      operator_metrics_.push_back(metrics_.AddCallbackGauge(
          "covet_role_ready", "1 while the role wants traffic, as /readyz tells, else 0.",
          {{"role", name}},
          [this, made = roles_.back().get()] { return running_ && made->Ready() ? 1.0 : 0.0; }));
    }
    return absl::OkStatus();
  }

  absl::Status StartServer() {
    std::vector<grpc::Service*> services;
    for (const auto& role : roles_) {
      for (grpc::Service* service : role->services()) services.push_back(service);
    }
    auto server = GrpcServer::Start(config_->grpc(), services);
    if (!server.ok()) return server.status();
    server_ = *std::move(server);
    channels_->SetServer(server_.get());
    keep_warm_.emplace(server_->server());
    return absl::OkStatus();
  }

  // Runs on the admin server's thread. Roles are only looked at while `running_` is set, and they
  // live longer.
  std::string Unready() {
    if (!running_) return "starting or draining";
    for (const auto& role : roles_) {
      if (!role->Ready()) return std::string(role->name());
    }
    return "";
  }

  void Reload() {
    auto reloaded = config::Reload(options_.sources, *config_);
    if (!reloaded.ok()) return RefuseReload(reloaded.status());
    auto keys = AuthKeysOf(*reloaded->config);
    if (!keys.ok()) return RefuseReload(keys.status());
    auto policy = PolicyOf(*reloaded->config);
    if (!policy.ok()) return RefuseReload(policy.status());

    config_ = reloaded->config;
    last_reload_.Set(1);
    log::SetLevel(LogLevelOf(config_->logging()));
    users_->Reload(*std::move(keys));
    policy_->Set(*std::move(policy));
    for (const auto& role : roles_) role->Reload(config_);
    for (const std::string& key : reloaded->changes.need_restart) {
      log::Warning("config_needs_restart", {{"key", key}});
    }
    audit::Record(audit::event::kConfigReloaded,
                  {{"changed", absl::StrJoin(reloaded->changes.reloaded, " ")}});
  }

  void RefuseReload(const absl::Status& status) {
    last_reload_.Set(0);
    log::Error("config_reload_failed", {{"error", Text(status)}});
  }

  void Drain() {
    running_ = false;
    server_->SetServing(false);
    log::Info("draining");
    TellServiceManager("STOPPING=1");
    const int64_t edge_ms = config::Millis(config_->edge().drain_delay()) +
                            config::Millis(config_->edge().drain_window()) + kEdgeDrainSlackMs;
    DrainRoles(edge_ms, [](const Role& role) { return role.name() == "edge"; });
    // The edge is a client of this process's services: it goes while they are there.
    for (const auto& role : roles_) {
      if (role->name() == "edge") role->Stop();
    }
    edge_stopped_ = true;
    DrainRoles(kServiceDrainMs, [](const Role& role) { return role.name() != "edge"; });
  }

  // Drains the chosen roles at the same time.
  template <typename Chosen>
  void DrainRoles(int64_t deadline_ms, Chosen chosen) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(deadline_ms);
    std::vector<std::pair<Role*, std::future<void>>> drains;
    for (const auto& role : roles_) {
      if (!chosen(*role)) continue;
      // Shared, for a late `done` may come when nobody waits any more.
      auto done = std::make_shared<std::promise<void>>();
      drains.emplace_back(role.get(), done->get_future());
      role->Drain(deadline_ms, [done] { done->set_value(); });
    }
    for (auto& [role, drained] : drains) {
      if (drained.wait_until(deadline) != std::future_status::ready) {
        log::Warning("drain_timed_out", {{"role", role->name()}});
      }
    }
  }

  void Stop() {
    running_ = false;
    keep_warm_.reset();
    if (server_) server_->Shutdown(kServerShutdownMs);
    for (auto role = roles_.rbegin(); role != roles_.rend(); ++role) {
      if (!(edge_stopped_ && (*role)->name() == "edge")) (*role)->Stop();
    }
    // Its thread asks the roles for their readiness.
    admin_.reset();
    operator_metrics_.clear();
    roles_.clear();
    channels_.reset();
    server_.reset();
  }

  const ProcessOptions& options_;
  std::shared_ptr<const Config> config_;
  Control& control_;
  metrics::Registry metrics_;
  CallMetrics call_metrics_;
  std::vector<metrics::CallbackRegistration> process_metrics_;
  std::vector<metrics::CallbackRegistration> operator_metrics_;  // Some ask the roles.
  const metrics::Gauge last_reload_ =
      metrics_.AddGauge("covet_config_last_reload_successful",
                        "0 once SIGHUP found a problem, until one finds none; else 1.");
  std::optional<auth::Authenticator> users_;
  std::optional<policy::PolicyStore> policy_;
  std::optional<auth::PeerTokens> peers_;
  std::optional<auth::GrpcAuthenticator> authenticator_;
  std::optional<OpenCalls> open_calls_;
  CallTools calls_;
  std::unique_ptr<Channels> channels_;
  std::unique_ptr<GrpcServer> server_;
  std::vector<std::unique_ptr<Role>> roles_;
  std::optional<KeepWarm> keep_warm_;
  std::unique_ptr<AdminServer> admin_;
  std::atomic<bool> running_{false};
  bool edge_stopped_ = false;
};

}  // namespace

int RunProcess(const ProcessOptions& options) {
  // Distributions build Abseil so that every lock searches for cycles; that is for tests.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  Control control;
  // Before the log's threads, which must not take signals.
  const Signals signals([&] { control.RequestStop(); }, [&] { control.RequestReload(); });
  const config::v1::LoggingConfig& logging = options.config->logging();
  std::string error;
  if (!log::Init({.level = LogLevelOf(logging),
                  .target = absl::StrJoin(options.config->targets(), ","),
                  .audit_file = logging.audit_file()},
                 &error)) {
    log::Error("start_failed", {{"error", error}});
    return 1;
  }
  gpr_set_log_function(LogFromGrpc);
  const int status = Process(options, control).Run();
  log::Shutdown();
  return status;
}

}  // namespace covet::server
