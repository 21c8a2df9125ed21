#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace covet::files {

// One chunk on its way to the disk.
struct ChunkWrite {
  std::string blob;
  int64_t offset = 0;
  std::string data;
  std::string checksum;  // SHA-256 of `data`, 32 bytes.
  // The blob has these bytes already: only the checksum is looked at.
  bool check_only = false;
};

// Reads one blob, which may be removed meanwhile. Thread-safe.
class BlobReader {
 public:
  virtual ~BlobReader() = default;
  // `done` gets exactly that many bytes, or DATA_LOSS if the blob has fewer. On a thread of the
  // store's.
  virtual void Read(int64_t offset, size_t length,
                    std::function<void(absl::StatusOr<std::string>)> done) = 0;
};

// The bytes of uploads and files on disk. Names are the service's own: letters, digits, `-` and
// `_`. Calls return at once; callbacks run once each, on the executor that the store was made with
// unless said otherwise, for one blob in the order of the calls.
class BlobStore {
 public:
  virtual ~BlobStore() = default;

  // Makes the blob with room for `size` bytes. False if it was there. RESOURCE_EXHAUSTED if the
  // disk is full.
  virtual void Prepare(const std::string& blob, int64_t size,
                       std::function<void(absl::StatusOr<bool>)> done) = 0;
  // CHECKSUM_MISMATCH if the data is not what the checksum says; else OK once it is on disk.
  virtual void Write(ChunkWrite chunk, std::function<void(absl::Status)> done) = 0;
  // Yields the SHA-256 (lower-case hex) of all of it, once it is kept: synced and moved out of
  // where leftovers are cleaned up. CHECKSUM_MISMATCH, and not kept, if `sha256` is given and
  // another. Idempotent.
  virtual void Finish(const std::string& blob, const std::string& sha256,
                      std::function<void(absl::StatusOr<std::string>)> done) = 0;
  // Nothing is written to it for now: lets go of what is held open.
  virtual void Release(const std::string& blob) = 0;
  virtual void Remove(const std::string& blob) = 0;
  // NOT_FOUND if there is no kept blob. On a thread of the store's.
  virtual void Open(const std::string& blob,
                    std::function<void(absl::StatusOr<std::shared_ptr<BlobReader>>)> done) = 0;
};

}  // namespace covet::files
