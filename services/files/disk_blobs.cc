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

constexpr int64_t kReadBytes = 1 << 20;
// Of one blob at a time, before others get their turn.
constexpr int64_t kDigestStep = int64_t{16} << 20;

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

// Goes on with the digest by a step; what `blob` has hashed already is not read again. Whether it
// has seen all of the file.
absl::StatusOr<bool> HashOn(OpenBlob* blob, std::atomic<int64_t>* reread) {
  struct stat info = {};
  if (::fstat(blob->fd.get(), &info) != 0) return PosixError("stat", "");
  if (blob->hashed < 0) {
    blob->digest = Sha256Stream();
    blob->hashed = 0;
  }
  const int64_t end = std::min<int64_t>(blob->hashed + kDigestStep, info.st_size);
  std::string buffer;
  while (blob->hashed < end) {
    buffer.resize(static_cast<size_t>(std::min(kReadBytes, end - blob->hashed)));
    absl::Status status = ReadAt(blob->fd.get(), blob->hashed, buffer.data(), buffer.size());
    if (!status.ok()) return status;
    blob->digest.Add(buffer);
    blob->hashed += static_cast<int64_t>(buffer.size());
    *reread += static_cast<int64_t>(buffer.size());
  }
  return blob->hashed >= info.st_size;
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

// One that is being finished.
struct DiskBlobs::WholeBlob {
  std::string blob;
  std::string sha256;  // Announced; empty if there is none.
  OpenBlob open;
  std::function<void(absl::StatusOr<std::string>)> done;
};

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
        auto whole =
            std::make_shared<WholeBlob>(WholeBlob{blob, sha256, std::move(taken), std::move(done)});
        finisher_->Post([this, whole = std::move(whole)] { FinishOn(whole); });
      }});
}

void DiskBlobs::FinishOn(const std::shared_ptr<WholeBlob>& whole) {
  absl::StatusOr<bool> hashed = false;
  if (absl::Status opened = OpenWhole(whole.get()); !opened.ok()) {
    hashed = std::move(opened);
  } else {
    hashed = HashOn(&whole->open, &counters_.reread_bytes);
  }
  if (hashed.ok() && !*hashed) return finisher_->Post([this, whole] { FinishOn(whole); });
  absl::StatusOr<std::string> result = hashed.ok() ? Keep(whole.get()) : hashed.status();
  if (!result.ok() && CodeOf(result.status()) != ErrorCode::kChecksumMismatch) {
    log::Error("file_not_kept", {{"error", std::string(result.status().message())}});
  }
  executor_.Post([done = whole->done, result = std::move(result)] { done(result); });
}

absl::Status DiskBlobs::OpenWhole(WholeBlob* whole) {
  OpenBlob& open = whole->open;
  if (!open.failure.ok()) return open.failure;
  if (open.fd.valid()) return absl::OkStatus();
  absl::StatusOr<Fd> fd = OpenFile(directory_ + "/incoming/" + whole->blob, O_RDWR);
  // A process that ended between the move and its caller's note of it.
  if (absl::IsNotFound(fd.status())) fd = OpenFile(directory_ + "/kept/" + whole->blob, O_RDWR);
  if (!fd.ok()) return fd.status();
  open.fd = *std::move(fd);
  return absl::OkStatus();
}

absl::StatusOr<std::string> DiskBlobs::Keep(WholeBlob* whole) {
  const std::string incoming = directory_ + "/incoming/" + whole->blob;
  const std::string kept = directory_ + "/kept/" + whole->blob;
  const std::string digest = auth::EncodeHex(whole->open.digest.Finish());
  if (!whole->sha256.empty() && digest != whole->sha256) return ChecksumMismatch("sha256");
  absl::Status status = SyncFile(whole->open.fd.get());
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
