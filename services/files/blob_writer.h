#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/base/executor.h"
#include "services/files/disk_blobs.h"
#include "services/files/posix_file.h"
#include "services/files/sha256_stream.h"

namespace covet::files {

// A blob that is being written.
struct OpenBlob {
  Fd fd;
  Sha256Stream digest;
  int64_t hashed = 0;    // Bytes from the beginning that `digest` has seen.
  absl::Status failure;  // A sync failed: what the file holds is not known any more.
  uint64_t used = 0;     // When it was used last.
  bool dirty = false;
};

// One thread that writes blobs; see DiskBlobs. Thread-safe but for its own parts.
class BlobWriter {
 public:
  using Acks = std::vector<std::pair<std::function<void(absl::Status)>, absl::Status>>;

  struct Prepare {
    std::string blob;
    int64_t size;
    std::function<void(absl::StatusOr<bool>)> done;
  };
  struct Write {
    ChunkWrite chunk;
    std::function<void(absl::Status)> done;
  };
  // Hands the blob over, empty if it was not open, once all of it is synced.
  struct Take {
    std::string blob;
    std::function<void(OpenBlob)> then;
  };
  using Op = std::variant<Prepare, Write, Take>;

  BlobWriter(std::string directory, DiskBlobsCounters& counters, Executor& executor);
  ~BlobWriter();

  void Post(Op op);
  // Does what was posted, then ends the thread. Idempotent.
  void Stop();

 private:
  // Files that are held open at most.
  static constexpr size_t kMaxOpen = 256;

  void Run();
  void Do(Prepare& op);
  void Do(Write& op);
  void Do(Take& op);
  absl::StatusOr<bool> PrepareFile(const std::string& blob, int64_t size);
  absl::StatusOr<OpenBlob*> Find(const std::string& blob);
  // Syncs what has been written, and answers it.
  void Sync();
  void Evict();
  std::string PathOf(const std::string& blob) const { return directory_ + "/incoming/" + blob; }

  const std::string directory_;
  DiskBlobsCounters& counters_;
  Executor& executor_;

  // The thread's own.
  std::map<std::string, OpenBlob> open_;
  std::vector<OpenBlob*> dirty_;
  std::vector<std::pair<OpenBlob*, std::function<void(absl::Status)>>> unsynced_;
  Acks acks_;
  uint64_t uses_ = 0;
  int64_t counted_open_ = 0;

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Op> queue_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace covet::files
