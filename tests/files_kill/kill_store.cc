#include "tests/files_kill/kill_store.h"

#include <unistd.h>

#include <cstdio>
#include <filesystem>

#include "absl/synchronization/notification.h"
#include "services/files/sqlite_metadata.h"

namespace covet::files {
namespace {

std::shared_ptr<const policy::Policy> Everything() {
  common::v1::Grant all;
  all.set_action("*");
  all.set_pattern("*");
  const policy::Role role{"admin", {all}};
  return std::make_shared<const policy::Policy>(*policy::Policy::Compile({role}));
}

[[noreturn]] void Die(const absl::Status& status) {
  std::fprintf(stderr, "%s\n", status.ToString().c_str());
  ::_exit(2);
}

}  // namespace

std::string KillUploadId(int64_t upload) { return "upload_" + std::to_string(upload); }

std::string KillChunk(int64_t upload, int64_t index) {
  const int64_t size = index + 1 < kKillChunks ? kKillChunkBytes : 123;
  std::string chunk = std::to_string(upload) + "/" + std::to_string(index) + "/";
  chunk.resize(static_cast<size_t>(size), static_cast<char>('a' + (upload * 7 + index) % 26));
  return chunk;
}

KillStore::KillStore(const std::string& directory) : policy_(Everything()) {
  std::filesystem::create_directories(directory);
  auto metadata = OpenSqliteMetadata(directory + "/metadata.sqlite");
  if (!metadata.ok()) Die(metadata.status());
  metadata_ = *std::move(metadata);
  executor_ = std::make_unique<ThreadExecutor>("files", 1000, [] {});
  auto blobs = DiskBlobs::Open({.directory = directory}, *executor_);
  if (!blobs.ok()) Die(blobs.status());
  blobs_ = *std::move(blobs);
  const auto leftovers =
      blobs_->RemoveLeftovers([this](const std::string& blob) { return metadata_->HasBlob(blob); });
  if (!leftovers.ok()) Die(leftovers.status());
  processing_ = std::make_unique<FileProcessing>(*blobs_, *executor_, nullptr);
  FilesOptions options;
  options.url_key = "key";
  options.uploads = limits::Rate::Unlimited();
  core_ = std::make_unique<FilesCore>(
      options, CoreEnvironment{SystemClock(), SystemIds(), *executor_, *metadata_, *blobs_,
                               *processing_, policy_, memory_, [](const FileChange&) {},
                               [](const absl::Status& status) { Die(status); }});
  absl::Notification started;
  executor_->Post([&] {
    core_->Start();
    started.Notify();
  });
  started.WaitForNotification();
}

KillStore::~KillStore() {
  blobs_->Stop();
  executor_->Stop();
}

}  // namespace covet::files
