#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/base/executor.h"
#include "services/files/domain/blob_store.h"

namespace covet::files {

class BlobWriter;
class WorkQueue;

struct DiskBlobsOptions {
  std::string directory;  // Exists. Two folders are made in it: `incoming` and `kept`.
  int writer_threads = 2;
  int reader_threads = 2;
};

// What the writers have done; read by any thread.
struct DiskBlobsCounters {
  std::atomic<int64_t> syncs{0};        // fdatasync calls.
  std::atomic<int64_t> sync_micros{0};  // Their time.
  std::atomic<int64_t> open_files{0};
  std::atomic<int64_t> reread_bytes{0};  // Hashed once more because chunks came out of order.
};

// Blobs as files of one directory. While an upload goes on they lie in `incoming`, with their room
// allocated; Finish moves them to `kept`. Each blob belongs to one writer thread, which writes
// whatever chunks have queued, syncs every file it wrote to once, and only then answers: a burst
// shares its fdatasync. It hashes what comes in order on the way, so that most files are not read
// again. Finishing has a thread of its own: reading a large file must not hold up chunks. It reads
// large files in turns of a few MiB, so that none holds up the end of another.
//
// What is queued is not bounded here: callers bound what they have under way (their windows).
class DiskBlobs final : public BlobStore {
 public:
  // INTERNAL if the folders cannot be made. Callbacks go to `executor`, which must run until Stop
  // has returned.
  static absl::StatusOr<std::unique_ptr<DiskBlobs>> Open(const DiskBlobsOptions& options,
                                                         Executor& executor);
  // As Stop.
  ~DiskBlobs() override;

  // Removes blobs for which `wanted` is false. Before anything else; returns how many.
  absl::StatusOr<int64_t> RemoveLeftovers(const std::function<bool(const std::string&)>& wanted);

  void Prepare(const std::string& blob, int64_t size,
               std::function<void(absl::StatusOr<bool>)> done) override;
  void Write(ChunkWrite chunk, std::function<void(absl::Status)> done) override;
  void Finish(const std::string& blob, const std::string& sha256,
              std::function<void(absl::StatusOr<std::string>)> done) override;
  void Release(const std::string& blob) override;
  void Remove(const std::string& blob) override;
  void Open(const std::string& blob,
            std::function<void(absl::StatusOr<std::shared_ptr<BlobReader>>)> done) override;

  // Runs `work` with the path of a kept blob, behind the finishing of blobs.
  void WithKept(const std::string& blob, std::function<void(const std::string& path)> work);

  // Does what has been asked for and answers it, then ends the threads. Only a file of which more
  // is to be read than takes a moment is left, unanswered, for the next process. Idempotent.
  void Stop();

  const DiskBlobsCounters& counters() const { return counters_; }

 private:
  DiskBlobs(const DiskBlobsOptions& options, Executor& executor);

  BlobWriter& WriterOf(const std::string& blob);
  struct WholeBlob;
  // On the finisher: reads on for the digest, and keeps the blob once it has all of it.
  void FinishOn(const std::shared_ptr<WholeBlob>& whole);
  absl::Status OpenWhole(WholeBlob* whole);
  // The digest, once the blob is synced and moved.
  absl::StatusOr<std::string> Keep(WholeBlob* whole);

  const std::string directory_;
  Executor& executor_;
  DiskBlobsCounters counters_;
  std::vector<std::unique_ptr<BlobWriter>> writers_;
  std::unique_ptr<WorkQueue> finisher_;
  std::unique_ptr<WorkQueue> readers_;
};

}  // namespace covet::files
