#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "common/base/snapshot.h"
#include "common/base/thread_executor.h"
#include "common/limits/memory_budget.h"
#include "common/policy/policy.h"
#include "services/files/disk_blobs.h"
#include "services/files/domain/files_core.h"
#include "services/files/file_processing.h"

namespace covet::files {

// What the writer that gets killed and the test that checks after it agree on.

inline constexpr int64_t kKillChunks = 40;
inline constexpr int64_t kKillChunkBytes = 1000;
inline constexpr int64_t kKillBytes = (kKillChunks - 1) * kKillChunkBytes + 123;
inline constexpr char kKillUser[] = "kill";

std::string KillUploadId(int64_t upload);
// The only bytes that a chunk may have.
std::string KillChunk(int64_t upload, int64_t index);

// The files role without gRPC, on real files.
class KillStore {
 public:
  // Ends the process if anything cannot be opened.
  explicit KillStore(const std::string& directory);
  ~KillStore();

  ThreadExecutor& executor() { return *executor_; }
  FilesCore& core() { return *core_; }
  Metadata& metadata() { return *metadata_; }

 private:
  limits::MemoryBudget memory_{int64_t{1} << 30};
  policy::PolicyStore policy_;
  std::unique_ptr<Metadata> metadata_;
  std::unique_ptr<FileProcessing> processing_;
  std::unique_ptr<DiskBlobs> blobs_;
  std::unique_ptr<ThreadExecutor> executor_;
  std::unique_ptr<FilesCore> core_;
};

}  // namespace covet::files
