#include "services/files/disk_blobs.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/hash/hash.h"
#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "common/auth/crypto.h"
#include "common/logging/log.h"
#include "services/files/blob_writer.h"
#include "services/files/domain/errors.h"
#include "services/files/posix_file.h"
#include "services/files/work_queue.h"

namespace covet::files {
namespace {

constexpr int64_t kHashStep = 1 << 20;

class FileReader final : public BlobReader {
 public:
  FileReader(Fd fd, WorkQueue& readers)
      : fd_(std::make_shared<Fd>(std::move(fd))), readers_(readers) {}

  void Read(int64_t offset, size_t length,
            std::function<void(absl::StatusOr<std::string>)> done) override {
    readers_.Post([fd = fd_, offset, length, done = std::move(done)] {
      std::string data(length, '\0');
      const absl::Status status = ReadAt(fd->get(), offset, data.data(), length);
      done(status.ok() ? absl::StatusOr<std::string>(std::move(data)) : status);
    });
  }

 private:
  const std::shared_ptr<Fd> fd_;
  WorkQueue& readers_;
};

absl::Status SyncFile(int fd) {
  return ::fsync(fd) == 0 ? absl::OkStatus() : PosixError("sync", "");
}

// The digest of the whole file; what `blob` has hashed already is not read again.
absl::StatusOr<std::string> Digest(OpenBlob* blob, std::atomic<int64_t>* reread) {
  struct stat info = {};
  if (::fstat(blob->fd.get(), &info) != 0) return PosixError("stat", "");
  if (blob->hashed < 0) {
    blob->digest = Sha256Stream();
    blob->hashed = 0;
  }
  std::string buffer;
  while (blob->hashed < info.st_size) {
    buffer.resize(static_cast<size_t>(std::min<int64_t>(kHashStep, info.st_size - blob->hashed)));
    absl::Status status = ReadAt(blob->fd.get(), blob->hashed, buffer.data(), buffer.size());
    if (!status.ok()) return status;
    blob->digest.Add(buffer);
    blob->hashed += static_cast<int64_t>(buffer.size());
    *reread += static_cast<int64_t>(buffer.size());
  }
  return auth::EncodeHex(blob->digest.Finish());
}

}  // namespace

absl::StatusOr<std::unique_ptr<DiskBlobs>> DiskBlobs::Open(const DiskBlobsOptions& options,
                                                           Executor& executor) {
  for (const char* folder : {"/incoming", "/kept"}) {
    std::error_code error;
    std::filesystem::create_directories(options.directory + folder, error);
    if (error) {
      return absl::InternalError(
          absl::StrCat("cannot make ", options.directory, folder, ": ", error.message()));
    }
  }
  if (absl::Status status = SyncDirectory(options.directory); !status.ok()) return status;
  return absl::WrapUnique(new DiskBlobs(options, executor));
}

DiskBlobs::DiskBlobs(const DiskBlobsOptions& options, Executor& executor)
    : directory_(options.directory),
      executor_(executor),
      finisher_(std::make_unique<WorkQueue>("files-finish", 1)),
      readers_(std::make_unique<WorkQueue>("files-read", options.reader_threads)) {
  for (int i = 0; i < options.writer_threads; ++i) {
    writers_.push_back(std::make_unique<BlobWriter>(directory_, counters_, executor));
  }
}

DiskBlobs::~DiskBlobs() { Stop(); }

absl::StatusOr<int64_t> DiskBlobs::RemoveLeftovers(
    const std::function<bool(const std::string&)>& wanted) {
  int64_t removed = 0;
  for (const char* folder : {"/incoming", "/kept"}) {
    std::error_code error;
    std::filesystem::directory_iterator it(directory_ + folder, error);
    if (error) return absl::InternalError(error.message());
    for (const std::filesystem::directory_entry& entry : it) {
      if (wanted(entry.path().filename().string())) continue;
      if (absl::Status status = RemoveFile(entry.path().string()); !status.ok()) return status;
      ++removed;
    }
  }
  return removed;
}

BlobWriter& DiskBlobs::WriterOf(const std::string& blob) {
  return *writers_[absl::Hash<std::string>()(blob) % writers_.size()];
}

void DiskBlobs::Prepare(const std::string& blob, int64_t size,
                        std::function<void(absl::StatusOr<bool>)> done) {
  WriterOf(blob).Post(BlobWriter::Prepare{blob, size, std::move(done)});
}

void DiskBlobs::Write(ChunkWrite chunk, std::function<void(absl::Status)> done) {
  BlobWriter& writer = WriterOf(chunk.blob);
  writer.Post(BlobWriter::Write{std::move(chunk), std::move(done)});
}

void DiskBlobs::Finish(const std::string& blob, const std::string& sha256,
                       std::function<void(absl::StatusOr<std::string>)> done) {
  WriterOf(blob).Post(BlobWriter::Take{
      blob, [this, blob, sha256, done = std::move(done)](OpenBlob taken) mutable {
        // A std::function must be copyable; the blob is not.
        auto held = std::make_shared<OpenBlob>(std::move(taken));
        finisher_->Post([this, blob, sha256, held, done = std::move(done)] {
          absl::StatusOr<std::string> result = Keep(blob, sha256, held.get());
          if (!result.ok() && CodeOf(result.status()) != ErrorCode::kChecksumMismatch) {
            log::Error("file_not_kept", {{"error", std::string(result.status().message())}});
          }
          executor_.Post([done, result = std::move(result)] { done(result); });
        });
      }});
}

absl::StatusOr<std::string> DiskBlobs::Keep(const std::string& blob, const std::string& sha256,
                                            OpenBlob* open) {
  if (!open->failure.ok()) return open->failure;
  const std::string incoming = directory_ + "/incoming/" + blob;
  const std::string kept = directory_ + "/kept/" + blob;
  if (!open->fd.valid()) {
    absl::StatusOr<Fd> fd = OpenFile(incoming, O_RDWR);
    // A process that ended between the move and its caller's note of it.
    if (absl::IsNotFound(fd.status())) fd = OpenFile(kept, O_RDWR);
    if (!fd.ok()) return fd.status();
    open->fd = *std::move(fd);
  }
  absl::StatusOr<std::string> digest = Digest(open, &counters_.reread_bytes);
  if (!digest.ok()) return digest.status();
  if (!sha256.empty() && *digest != sha256) return ChecksumMismatch("sha256");
  absl::Status status = SyncFile(open->fd.get());
  if (!status.ok()) return status;
  if (::rename(incoming.c_str(), kept.c_str()) != 0 && errno != ENOENT) {
    return PosixError("rename", incoming);
  }
  status = SyncDirectory(directory_ + "/kept");
  if (status.ok()) status = SyncDirectory(directory_ + "/incoming");
  if (!status.ok()) return status;
  return digest;
}

void DiskBlobs::Release(const std::string& blob) {
  WriterOf(blob).Post(BlobWriter::Take{blob, [](OpenBlob) {}});
}

void DiskBlobs::Remove(const std::string& blob) {
  WriterOf(blob).Post(BlobWriter::Take{
      blob, [this, blob](OpenBlob) {
        finisher_->Post([this, blob] {
          for (const char* folder : {"/incoming/", "/kept/"}) {
            const absl::Status status = RemoveFile(directory_ + folder + blob);
            if (!status.ok()) {
              log::Warning("blob_not_removed", {{"error", std::string(status.message())}});
            }
          }
        });
      }});
}

void DiskBlobs::Open(const std::string& blob,
                     std::function<void(absl::StatusOr<std::shared_ptr<BlobReader>>)> done) {
  readers_->Post([this, path = directory_ + "/kept/" + blob, done = std::move(done)] {
    absl::StatusOr<Fd> fd = OpenFile(path, O_RDONLY);
    if (!fd.ok()) return done(fd.status());
    ::posix_fadvise(fd->get(), 0, 0, POSIX_FADV_SEQUENTIAL);
    done(std::shared_ptr<BlobReader>(std::make_shared<FileReader>(*std::move(fd), *readers_)));
  });
}

void DiskBlobs::WithKept(const std::string& blob,
                         std::function<void(const std::string& path)> work) {
  finisher_->Post([path = directory_ + "/kept/" + blob, work = std::move(work)] { work(path); });
}

void DiskBlobs::Stop() {
  for (const auto& writer : writers_) writer->Stop();
  finisher_->Stop();
  readers_->Stop();
}

}  // namespace covet::files
