#include "services/files/files_role.h"

#include <fcntl.h>
#include <unistd.h>

#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "common/auth/crypto.h"
#include "common/base/thread_executor.h"
#include "common/config/config.h"
#include "common/eventlog/file_lock.h"
#include "common/limits/memory_budget.h"
#include "common/logging/audit.h"
#include "common/logging/log.h"
#include "services/files/disk_blobs.h"
#include "services/files/file_processing.h"
#include "services/files/file_service.h"
#include "services/files/files_metrics.h"
#include "services/files/files_options.h"
#include "services/files/posix_file.h"
#include "services/files/sqlite_metadata.h"

namespace covet::files {
namespace {

constexpr int64_t kTickMs = 100;
constexpr size_t kKeyBytes = 32;

// The key that signs links, made at the first start.
absl::StatusOr<std::string> KeptKey(const std::string& directory) {
  const std::string path = directory + "/url_key";
  absl::StatusOr<Fd> fd = OpenFile(path, O_RDONLY);
  if (fd.ok()) {
    std::string key(kKeyBytes, '\0');
    absl::Status status = ReadAt(fd->get(), 0, key.data(), key.size());
    if (!status.ok()) return absl::DataLossError(absl::StrCat(path, " is damaged"));
    return key;
  }
  if (!absl::IsNotFound(fd.status())) return fd.status();
  const std::string key = auth::RandomBytes(kKeyBytes);
  const std::string temporary = path + ".new";
  fd = OpenFile(temporary, O_WRONLY | O_CREAT | O_TRUNC);
  if (!fd.ok()) return fd.status();
  absl::Status status = WriteAt(fd->get(), 0, key);
  if (status.ok() && ::fsync(fd->get()) != 0) status = PosixError("sync", temporary);
  if (status.ok() && ::rename(temporary.c_str(), path.c_str()) != 0) {
    status = PosixError("rename", temporary);
  }
  if (status.ok()) status = SyncDirectory(directory);
  if (!status.ok()) return status;
  return key;
}

void RecordChange(const FileChange& change) {
  audit::Record(audit::event::kFileChanged, {{"user_id", change.user_id},
                                             {"file_id", change.file_id},
                                             {"upload_id", change.upload_id},
                                             {"change", change.change},
                                             {"correlation_id", change.correlation_id}});
}

// The order of members is the order of lives: the store's threads call back into the executor,
// which runs the core.
class FilesRole final : public server::Role {
 public:
  explicit FilesRole(const server::RoleContext& context)
      : context_(context),
        memory_(config::MemoryBudget(*context.config)),
        metrics_(context.metrics) {}

  absl::Status Open() {
    const config::v1::FilesConfig& settings = context_.config->files();
    const std::string directory = context_.config->storage().data_dir() + "/files";
    auto lock = eventlog::FileLock::AcquireIn(directory, "files");
    if (!lock.ok()) return lock.status();
    lock_ = *std::move(lock);
    auto key = settings.url_key().source_case() == config::v1::Secret::SOURCE_NOT_SET
                   ? KeptKey(directory)
                   : config::ResolveSecret(settings.url_key());
    if (!key.ok()) return key.status();
    key_ = *std::move(key);
    auto metadata = OpenSqliteMetadata(directory + "/metadata.sqlite");
    if (!metadata.ok()) return metadata.status();
    metadata_ = *std::move(metadata);
    executor_ = std::make_unique<ThreadExecutor>("files", kTickMs, [this] { Tick(); });
    auto blobs = DiskBlobs::Open({.directory = directory,
                                  .writer_threads = settings.writer_threads(),
                                  .reader_threads = settings.reader_threads()},
                                 *executor_);
    if (!blobs.ok()) return blobs.status();
    blobs_ = *std::move(blobs);
    const absl::StatusOr<int64_t> leftovers = blobs_->RemoveLeftovers(
        [this](const std::string& blob) { return metadata_->HasBlob(blob); });
    // Also whatever the metadata could not tell.
    absl::Status status = leftovers.ok() ? metadata_->Commit() : leftovers.status();
    if (!status.ok()) return status;
    const int64_t files = metadata_->file_count();
    if (status = StartCore(); !status.ok()) return status;
    log::Info("files_opened",
              {{"directory", directory}, {"files", files}, {"leftovers_removed", *leftovers}});
    return absl::OkStatus();
  }

  ~FilesRole() override { Stop(); }

  std::string_view name() const override { return "files"; }
  std::vector<grpc::Service*> services() override { return {service_.get()}; }
  absl::Status Start() override { return absl::OkStatus(); }
  bool Ready() const override { return true; }

  // What was acknowledged is on disk; chunks under way are written by Stop.
  void Drain(int64_t, std::function<void()> done) override { done(); }

  void Stop() override {
    if (executor_ == nullptr) return;
    // The last chunks still find the core.
    if (blobs_) blobs_->Stop();
    if (core_) {
      absl::Notification committed;
      executor_->Post([&] {
        core_->Commit();
        ready_ = false;
        committed.Notify();
      });
      committed.WaitForNotification();
    }
    executor_->Stop();
    core_.reset();
    executor_.reset();
    metadata_.reset();
  }

  void Reload(std::shared_ptr<const config::v1::Config> config) override {
    executor_->Post(
        [this, options = WithKey(OptionsFrom(*config))] { core_->SetOptions(options); });
  }

 private:
  FilesOptions WithKey(FilesOptions options) const {
    options.url_key = key_;
    return options;
  }

  absl::Status StartCore() {
    absl::StatusOr<std::unique_ptr<TypeSniffer>> sniffer = TypeSniffer::Load();
    if (!sniffer.ok()) return sniffer.status();
    processing_ = std::make_unique<FileProcessing>(*blobs_, *executor_, *std::move(sniffer));
    core_ = std::make_unique<FilesCore>(
        WithKey(OptionsFrom(*context_.config)),
        CoreEnvironment{*context_.clock, *context_.ids, *executor_, *metadata_, *blobs_,
                        *processing_, *context_.policy, memory_, RecordChange, context_.fail});
    absl::Notification started;
    executor_->Post([&] {
      core_->Start();
      ready_ = true;
      started.Notify();
    });
    started.WaitForNotification();
    service_ =
        std::make_unique<FileService>(ServiceTools{*context_.calls, *executor_, *core_, *blobs_});
    return absl::OkStatus();
  }

  void Tick() {
    if (!ready_) return;
    core_->Tick();
    metrics_.Copy(*core_, blobs_->counters(), memory_);
  }

  const server::RoleContext context_;
  limits::MemoryBudget memory_;
  FilesMetrics metrics_;
  std::unique_ptr<eventlog::FileLock> lock_;
  std::string key_;
  std::unique_ptr<Metadata> metadata_;
  std::unique_ptr<FileProcessing> processing_;
  std::unique_ptr<DiskBlobs> blobs_;
  std::unique_ptr<ThreadExecutor> executor_;
  std::unique_ptr<FilesCore> core_;
  bool ready_ = false;  // On the executor.
  std::unique_ptr<FileService> service_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<server::Role>> MakeFilesRole(const server::RoleContext& context) {
  auto role = std::make_unique<FilesRole>(context);
  if (absl::Status status = role->Open(); !status.ok()) return status;
  return role;
}

}  // namespace covet::files
