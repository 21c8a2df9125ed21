#include "services/rpc/rpc_role.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "common/backends/backend.h"
#include "common/base/id_generator.h"
#include "common/config/config.h"
#include "common/logging/log.h"
#include "services/rpc/backend_methods.h"
#include "services/rpc/builtin_methods.h"
#include "services/rpc/calls.h"
#include "services/rpc/link_service.h"
#include "services/rpc/own_schema.h"
#include "services/rpc/own_services.h"
#include "services/rpc/rpc_metrics.h"
#include "services/rpc/rpc_service.h"

namespace covet::rpc {
namespace {

Calls::Options CallOptionsOf(const config::v1::Config& config) {
  return {.max_concurrency = config.rpc().max_concurrency(),
          .max_bytes = static_cast<size_t>(config.limits().rpc_bytes())};
}

absl::StatusOr<Databases> DatabasesOf(const config::v1::Config& config) {
  Databases databases;
  for (const auto& [id, configured] : config.databases()) {
    Database& database = databases[id];
    database.host = configured.host();
    database.port = configured.port();
    database.database = configured.database();
    database.connect_timeout_ms = config::Millis(configured.connect_timeout());
    auto parameters = postgres::ParametersOf(configured, "covet");
    if (!parameters.ok()) {
      return absl::Status(parameters.status().code(),
                          absl::StrCat("databases.", id,
                                       ".password: ", std::string(parameters.status().message())));
    }
    database.parameters = *std::move(parameters);
  }
  return databases;
}

// The order of members is the order of lives: calls hold methods, which hold backends and channels.
class RpcRole final : public server::Role {
 public:
  explicit RpcRole(const server::RoleContext& context)
      : context_(context),
        metrics_(context.metrics),
        calls_(CallOptionsOf(*context.config), *context.clock, *context.policy, metrics_),
        schema_(OwnSchema()) {}

  absl::Status Open() {
    auto databases = DatabasesOf(*context_.config);
    if (!databases.ok()) return databases.status();
    databases_ = *std::move(databases);
    tester_ = std::make_unique<ConnectionTester>(ConnectionTester::Options(), databases_.size(),
                                                 *context_.clock);
    builtin_ = std::make_unique<Builtin>(*context_.clock, calls_, databases_, *tester_);
    backends::Backends::Options options;
    options.role = "rpc";
    options.refresh_interval_ms = config::Millis(context_.config->rpc().refresh_interval());
    // Channels keep their bounds: as much as a reload may raise limits.rpc_bytes to, which Calls
    // enforces. JSON may be shorter than the message, but not by much.
    options.max_json_bytes = context_.config->edge().max_message_bytes();
    options.max_message_bytes = 4 * options.max_json_bytes;
    options.metrics = context_.metrics;
    options.methods_changed = [this](backends::Backend& backend) { OnMethodsChanged(backend); };
    auto backends = backends::Backends::Create(
        {context_.config->backends().begin(), context_.config->backends().end()},
        std::move(options));
    if (!backends.ok()) return backends.status();
    backends_ = *std::move(backends);
    const ServiceTools tools{*context_.calls, calls_, *builtin_};
    rpc_ = std::make_unique<RpcService>(tools);
    system_ = std::make_unique<SystemService>(tools);
    database_ = std::make_unique<DatabaseService>(tools);
    links_ = std::make_unique<LinkService>(*context_.calls, calls_, context_.ids->NewId(""));
    return absl::OkStatus();
  }

  ~RpcRole() override { Stop(); }

  std::string_view name() const override { return "rpc"; }
  std::vector<grpc::Service*> services() override {
    return {rpc_.get(), system_.get(), database_.get(), links_.get()};
  }

  absl::Status Start() override {
    {
      const absl::MutexLock lock(&mutex_);
      own_ = BuiltinMethods(*builtin_, schema_, metrics_);
      for (MethodPtr& method : OwnServiceMethods(schema_, *context_.channels, metrics_)) {
        own_.push_back(std::move(method));
      }
      Publish();
    }
    backends_->Start();
    return absl::OkStatus();
  }

  bool Ready() const override { return true; }

  void Drain(int64_t /*deadline_ms*/, std::function<void()> done) override {
    draining_ = true;
    calls_.Drain([this, done = std::move(done)] {
      done();
      idle_.Notify();
    });
  }

  // The gRPC server is down: its end has cancelled every call, which now end one by one.
  void Stop() override {
    if (stopped_) return;
    stopped_ = true;
    if (!draining_) calls_.Drain([this] { idle_.Notify(); });
    if (backends_) backends_->Stop();
    tester_.reset();
    idle_.WaitForNotification();
    calls_.SetMethods(std::make_shared<const MethodRegistry>());
    {
      const absl::MutexLock lock(&mutex_);
      own_.clear();
    }
    // Here, on the main thread, for it closes channels.
    backends_.reset();
  }

  void Reload(std::shared_ptr<const config::v1::Config> config) override {
    calls_.SetMaxBytes(static_cast<size_t>(config->limits().rpc_bytes()));
  }

 private:
  void OnMethodsChanged(backends::Backend& backend) {
    const absl::MutexLock lock(&mutex_);
    const size_t known = Publish();
    log::Info("rpc_methods_changed", {{"backend", backend.name()}, {"methods", known}});
  }

  // All methods known now, ours first: a backend cannot take their names.
  size_t Publish() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    std::vector<MethodPtr> methods = own_;
    std::vector<AwaitedNames> awaited;
    for (backends::Backend* backend : backends_->all()) {
      for (AwaitedNames& names :
           AwaitedNamesOf(*backend, context_.config->backends().at(backend->name()))) {
        awaited.push_back(std::move(names));
      }
      for (MethodPtr& method : BackendMethods(*backend, metrics_)) {
        methods.push_back(std::move(method));
      }
    }
    std::vector<NameClash> clashes;
    auto registry = std::make_shared<const MethodRegistry>(methods, std::move(awaited), &clashes);
    for (const NameClash& clash : clashes) {
      log::Error("rpc_method_clash",
                 {{"method", clash.name}, {"backend", clash.refused}, {"taken_by", clash.kept}});
    }
    const size_t known = registry->methods().size();
    calls_.SetMethods(std::move(registry));
    return known;
  }

  const server::RoleContext context_;
  RpcMetrics metrics_;
  Calls calls_;
  const std::shared_ptr<const protojson::Schema> schema_;
  Databases databases_;
  std::unique_ptr<ConnectionTester> tester_;
  std::unique_ptr<Builtin> builtin_;
  std::unique_ptr<backends::Backends> backends_;
  absl::Mutex mutex_;
  std::vector<MethodPtr> own_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<RpcService> rpc_;
  std::unique_ptr<SystemService> system_;
  std::unique_ptr<DatabaseService> database_;
  std::unique_ptr<LinkService> links_;
  absl::Notification idle_;
  bool draining_ = false;
  bool stopped_ = false;
};

}  // namespace

absl::StatusOr<std::unique_ptr<server::Role>> MakeRpcRole(const server::RoleContext& context) {
  auto role = std::make_unique<RpcRole>(context);
  if (absl::Status status = role->Open(); !status.ok()) return status;
  return role;
}

}  // namespace covet::rpc
