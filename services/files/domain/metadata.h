#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "services/files/domain/chunk_ranges.h"
#include "services/files/domain/records.h"

namespace covet::files {

// Uploads, files and what is counted for users, in one store. Changes are seen at once and are
// durable once Commit has returned. Calls are quick. An error sticks: whatever is asked afterwards
// finds nothing, and every Commit returns it. Used by one thread.
class Metadata {
 public:
  virtual ~Metadata() = default;

  // Makes all changes so far durable together.
  virtual absl::Status Commit() = 0;

  virtual std::optional<UploadRecord> FindUpload(std::string_view user_id,
                                                 std::string_view upload_id) = 0;
  // Sets `number`. The user has no upload of that id.
  virtual void InsertUpload(UploadRecord* upload) = 0;
  virtual void SetExpiry(int64_t number, int64_t expires_ms) = 0;
  // The chunks that it has received are forgotten.
  virtual void EndUpload(const UploadRecord& upload) = 0;
  virtual void DeleteUpload(int64_t number) = 0;

  virtual ChunkRanges Received(int64_t number) = 0;
  virtual void AddReceived(int64_t number, int64_t first, int64_t last) = 0;
  // In place of all that was added, to keep it short.
  virtual void ReplaceReceived(int64_t number, const ChunkRanges& received) = 0;

  virtual void InsertFile(const FileRecord& file) = 0;
  virtual std::optional<FileRecord> FindFile(std::string_view file_id) = 0;
  // Status, details, mimetype and attempts.
  virtual void UpdateFile(const FileRecord& file) = 0;
  virtual void DeleteFile(std::string_view file_id) = 0;
  // A user's, newest first, from behind (`created_ms`, `file_id`).
  virtual std::vector<FileRecord> ListFiles(std::string_view user_id, int64_t created_ms,
                                            std::string_view file_id, int limit) = 0;

  virtual Usage UsageOf(std::string_view user_id) = 0;
  // The state of the user's rate of uploads, as limits::Gcra has it; nothing if there is none.
  virtual std::optional<int64_t> RateState(std::string_view user_id) = 0;
  virtual void SetRateState(std::string_view user_id, int64_t state) = 0;
  virtual void DeleteRateStatesBefore(int64_t state) = 0;

  // Uploads under way whose time is over.
  virtual std::vector<UploadRecord> ExpiredUploads(int64_t now_ms, int limit) = 0;
  // Uploads that ended before.
  virtual std::vector<UploadRecord> EndedUploads(int64_t before_ms, int limit) = 0;
  virtual std::vector<FileRecord> FilesOlderThan(int64_t before_ms, int limit) = 0;
  // Files whose processing has not ended.
  virtual std::vector<FileRecord> UnprocessedFiles() = 0;
  // Uploads under way, in no order.
  virtual void EachUploadUnderWay(const std::function<void(const UploadRecord&)>& each) = 0;
  virtual bool HasBlob(std::string_view file_id) = 0;
  virtual int64_t file_count() = 0;
};

}  // namespace covet::files
