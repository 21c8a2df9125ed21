#include "services/rooms/rooms_role.h"

#include <utility>
#include <vector>

#include "absl/synchronization/notification.h"
#include "common/base/thread_executor.h"
#include "common/eventlog/memory_event_log.h"
#include "common/eventlog/sqlite_event_log.h"
#include "common/eventlog/sqlite_member_lease_store.h"
#include "common/logging/audit.h"
#include "common/logging/log.h"
#include "services/rooms/link_service.h"
#include "services/rooms/room_service.h"
#include "services/rooms/rooms_metrics.h"
#include "services/rooms/rooms_options.h"

namespace covet::rooms {
namespace {

constexpr int64_t kTickMs = 100;

void RecordMember(const MemberChange& change) {
  const bool joined = change.left.empty();
  audit::Record(joined ? audit::event::kRoomJoined : audit::event::kRoomLeft,
                {{"session_id", change.session_id},
                 {"user_id", change.user_id},
                 {"room_id", change.room_id},
                 {"reason", change.left},
                 {"correlation_id", change.correlation_id}});
}

void LogPublished(const std::string& session_id, const std::string& room_id, int64_t offset,
                  const std::string& correlation_id) {
  log::Debug("published", {{"session_id", session_id},
                           {"room_id", room_id},
                           {"offset", offset},
                           {"correlation_id", correlation_id}});
}

// The order of members is the order of lives: logs call back into the executor, which runs the
// core.
class RoomsRole final : public server::Role {
 public:
  explicit RoomsRole(const server::RoleContext& context)
      : context_(context), metrics_(context.metrics) {}

  absl::Status Open() {
    const std::string directory = context_.config->storage().data_dir() + "/rooms";
    eventlog::SqliteOptions log_options;
    log_options.directory = directory;
    log_options.queue_bytes = context_.config->storage().queue_bytes();
    log_options.clock = context_.clock;
    log_options.observer = &metrics_.log();
    auto disk = eventlog::OpenSqliteEventLog(log_options);
    if (!disk.ok()) return disk.status();
    disk_ = *std::move(disk);
    auto leases = eventlog::OpenSqliteMemberLeaseStore({.directory = directory});
    if (!leases.ok()) return leases.status();
    leases_ = *std::move(leases);
    memory_ = std::make_unique<eventlog::MemoryEventLog>();
    executor_ = std::make_unique<ThreadExecutor>("rooms", kTickMs, [this] { Tick(); });

    absl::Notification started;
    absl::Status result;
    executor_->Post([&] {
      core_ = std::make_unique<RoomsCore>(
          OptionsFrom(*context_.config),
          CoreEnvironment{*context_.clock, *context_.ids, *executor_, *disk_, *memory_, *leases_,
                          *context_.policy, RecordMember, LogPublished});
      core_->Start([&](const absl::Status& status) {
        result = status;
        ready_ = status.ok();
        started.Notify();
      });
    });
    started.WaitForNotification();
    if (!result.ok()) return result;
    const ServiceTools tools{*context_.calls, *executor_, *core_};
    rooms_ = std::make_unique<RoomService>(tools);
    notifications_ = std::make_unique<NotificationService>(tools);
    links_ = std::make_unique<LinkService>(*context_.calls, *executor_, *core_);
    log::Info("rooms_opened", {{"directory", directory}, {"rooms", core_->room_count()}});
    return absl::OkStatus();
  }

  ~RoomsRole() override { Stop(); }

  std::string_view name() const override { return "rooms"; }
  std::vector<grpc::Service*> services() override {
    return {rooms_.get(), notifications_.get(), links_.get()};
  }
  absl::Status Start() override { return absl::OkStatus(); }
  bool Ready() const override { return true; }

  // What was accepted is committed by Stop; edges have drained already, and other callers retry.
  void Drain(int64_t, std::function<void()> done) override { done(); }

  void Stop() override {
    if (executor_ == nullptr) return;
    // No call is left to answer. The core must be still before the logs go, for it calls them; they
    // commit what they accepted, and their last callbacks find the executor stopped.
    executor_->Stop();
    disk_.reset();
    memory_.reset();
    leases_.reset();
    core_.reset();
    executor_.reset();
  }

  void Reload(std::shared_ptr<const config::v1::Config> config) override {
    executor_->Post([this, options = OptionsFrom(*config)] {
      core_->SetOptions(options);
      core_->ReviewPermissions();
    });
  }

 private:
  void Tick() {
    if (!ready_) return;
    core_->Tick();
    metrics_.Copy(*core_);
  }

  const server::RoleContext context_;
  RoomsMetrics metrics_;
  std::unique_ptr<eventlog::EventLog> disk_;
  std::unique_ptr<eventlog::EventLog> memory_;
  std::unique_ptr<eventlog::MemberLeaseStore> leases_;
  std::unique_ptr<ThreadExecutor> executor_;
  std::unique_ptr<RoomsCore> core_;
  bool ready_ = false;  // On the executor.
  std::unique_ptr<RoomService> rooms_;
  std::unique_ptr<NotificationService> notifications_;
  std::unique_ptr<LinkService> links_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<server::Role>> MakeRoomsRole(const server::RoleContext& context) {
  auto role = std::make_unique<RoomsRole>(context);
  if (absl::Status status = role->Open(); !status.ok()) return status;
  return role;
}

}  // namespace covet::rooms
