#include "services/files/blob_writer.h"

#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>

#include "common/auth/crypto.h"
#include "common/base/disk_space.h"
#include "common/logging/log.h"
#include "services/files/domain/errors.h"

namespace covet::files {
namespace {

// What an upload must leave of the disk, for what was accepted before it.
constexpr int64_t kMinFreeBytes = int64_t{16} << 20;

}  // namespace

BlobWriter::BlobWriter(std::string directory, DiskBlobsCounters& counters, Executor& executor)
    : directory_(std::move(directory)),
      counters_(counters),
      executor_(executor),
      thread_([this] { Run(); }) {}

BlobWriter::~BlobWriter() { Stop(); }

void BlobWriter::Post(Op op) {
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return;
    queue_.push_back(std::move(op));
  }
  wake_.notify_one();
}

void BlobWriter::Stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void BlobWriter::Run() {
  pthread_setname_np(pthread_self(), "files-write");
  std::deque<Op> batch;
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
      if (queue_.empty()) return;
      batch.swap(queue_);
    }
    for (Op& op : batch) {
      std::visit([this](auto& one) { Do(one); }, op);
    }
    batch.clear();
    Sync();
    if (open_.size() > kMaxOpen) Evict();
    counters_.open_files += static_cast<int64_t>(open_.size()) - counted_open_;
    counted_open_ = static_cast<int64_t>(open_.size());
  }
}

void BlobWriter::Do(Prepare& op) {
  Sync();
  executor_.Post(
      [done = std::move(op.done), result = PrepareFile(op.blob, op.size)] { done(result); });
}

absl::StatusOr<bool> BlobWriter::PrepareFile(const std::string& blob, int64_t size) {
  if (open_.contains(blob)) return false;
  const std::string path = PathOf(blob);
  // Finished, and nobody has written that down.
  if (::access((directory_ + "/kept/" + blob).c_str(), F_OK) == 0) return false;
  OpenBlob made;
  made.used = ++uses_;
  absl::StatusOr<Fd> fd = OpenFile(path, O_RDWR);
  if (fd.ok()) {
    // Whoever made it may have ended before its name was on disk.
    if (absl::Status status = SyncDirectory(directory_ + "/incoming"); !status.ok()) return status;
    made.fd = *std::move(fd);
    // Its beginning may have been written by another process: it is hashed at the end.
    made.hashed = -1;
    open_.emplace(blob, std::move(made));
    return false;
  }
  if (!absl::IsNotFound(fd.status())) return fd.status();
  fd = OpenFile(path, O_RDWR | O_CREAT | O_EXCL);
  if (!fd.ok()) return fd.status();
  made.fd = *std::move(fd);
  absl::Status status = Allocate(made.fd.get(), size);
  if (status.ok() && FreeDiskBytes(directory_) < kMinFreeBytes) {
    status = absl::ResourceExhaustedError("too little of the disk would be left");
  }
  if (status.ok() && ::fdatasync(made.fd.get()) != 0) status = PosixError("sync", path);
  if (status.ok()) status = SyncDirectory(directory_ + "/incoming");
  if (!status.ok()) {
    log::Warning("blob_not_made", {{"error", std::string(status.message())}});
    RemoveFile(path).IgnoreError();
    return status;
  }
  open_.emplace(blob, std::move(made));
  return true;
}

absl::StatusOr<OpenBlob*> BlobWriter::Find(const std::string& blob) {
  auto it = open_.find(blob);
  if (it == open_.end()) {
    absl::StatusOr<Fd> fd = OpenFile(PathOf(blob), O_RDWR);
    if (!fd.ok()) return fd.status();
    OpenBlob opened;
    opened.fd = *std::move(fd);
    opened.hashed = -1;
    it = open_.emplace(blob, std::move(opened)).first;
  }
  it->second.used = ++uses_;
  return &it->second;
}

void BlobWriter::Do(Write& op) {
  const ChunkWrite& chunk = op.chunk;
  absl::Status status;
  if (!auth::ConstantTimeEquals(auth::Sha256(chunk.data), chunk.checksum)) {
    status = ChecksumMismatch("checksum");
  }
  if (!status.ok() || chunk.check_only) {
    acks_.emplace_back(std::move(op.done), std::move(status));
    return;
  }
  absl::StatusOr<OpenBlob*> found = Find(chunk.blob);
  status = found.ok() ? (*found)->failure : found.status();
  if (status.ok()) status = WriteAt((*found)->fd.get(), chunk.offset, chunk.data);
  if (!status.ok()) {
    log::Error("chunk_not_written", {{"error", std::string(status.message())}});
    acks_.emplace_back(std::move(op.done), std::move(status));
    return;
  }
  OpenBlob* blob = *found;
  if (chunk.offset == blob->hashed) {
    blob->digest.Add(chunk.data);
    blob->hashed += static_cast<int64_t>(chunk.data.size());
  }
  if (!std::exchange(blob->dirty, true)) dirty_.push_back(blob);
  unsynced_.emplace_back(blob, std::move(op.done));
  // The bytes are the kernel's now.
  std::string().swap(op.chunk.data);
}

void BlobWriter::Do(Take& op) {
  Sync();
  OpenBlob taken;
  taken.hashed = -1;
  if (const auto it = open_.find(op.blob); it != open_.end()) {
    taken = std::move(it->second);
    open_.erase(it);
  }
  op.then(std::move(taken));
}

void BlobWriter::Sync() {
  using SteadyClock = std::chrono::steady_clock;
  for (OpenBlob* blob : dirty_) {
    const auto start = SteadyClock::now();
    if (::fdatasync(blob->fd.get()) != 0) {
      blob->failure = PosixError("sync", "");
      log::Error("chunk_not_synced", {{"error", std::string(blob->failure.message())}});
    }
    blob->dirty = false;
    ++counters_.syncs;
    counters_.sync_micros +=
        std::chrono::duration_cast<std::chrono::microseconds>(SteadyClock::now() - start).count();
  }
  dirty_.clear();
  for (auto& [blob, done] : unsynced_) acks_.emplace_back(std::move(done), blob->failure);
  unsynced_.clear();
  if (acks_.empty()) return;
  executor_.Post([acks = std::exchange(acks_, {})] {
    for (const auto& [done, status] : acks) done(status);
  });
}

void BlobWriter::Evict() {
  while (open_.size() > kMaxOpen / 2) {
    const auto oldest = std::min_element(
        open_.begin(), open_.end(),
        [](const auto& a, const auto& b) { return a.second.used < b.second.used; });
    open_.erase(oldest);
  }
}

}  // namespace covet::files
