#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/base/clock.h"
#include "common/base/executor.h"
#include "common/base/id_generator.h"
#include "common/base/snapshot.h"
#include "common/base/string_map.h"
#include "common/limits/memory_budget.h"
#include "common/policy/policy.h"
#include "covet/common/v1/common.pb.h"
#include "covet/files/v1/files.pb.h"
#include "services/files/domain/blob_store.h"
#include "services/files/domain/metadata.h"
#include "services/files/domain/options.h"
#include "services/files/domain/processing.h"

namespace covet::files {

using IdentityPtr = std::shared_ptr<const common::v1::Identity>;

// What the audit log is told.
struct FileChange {
  std::string_view user_id;
  std::string_view file_id;
  std::string_view upload_id;
  std::string_view filename;
  std::string_view change;  // uploaded, deleted or expired
  // Of the request that last began or resumed the upload, or that deleted the file; empty where
  // nobody asked, or before a restart.
  std::string_view correlation_id;
};

// What the core lives among; all must outlive it.
struct CoreEnvironment {
  const Clock& clock;
  IdGenerator& ids;
  Executor& executor;
  Metadata& metadata;
  BlobStore& blobs;
  Processing& processing;
  const policy::PolicyStore& policy;
  limits::MemoryBudget& memory;
  std::function<void(const FileChange&)> changed;
  // The store cannot be relied on any more.
  std::function<void(absl::Status)> fail;
};

struct FilesCounters {
  int64_t uploads_started = 0;
  int64_t uploads_resumed = 0;
  int64_t uploads_completed = 0;
  int64_t uploads_cancelled = 0;
  int64_t uploads_expired = 0;
  int64_t uploads_failed = 0;
  int64_t uploads_refused = 0;
  int64_t chunks_stored = 0;
  int64_t chunks_repeated = 0;
  int64_t chunks_refused = 0;
  int64_t bytes_stored = 0;
  int64_t files_processed = 0;
  int64_t files_failed = 0;
  int64_t files_deleted = 0;
  int64_t commits = 0;
  int64_t files = 0;  // A gauge: kept now.
};

// One Upload call as the core sees it. Calls come on the core's executor.
class Uploader {
 public:
  virtual ~Uploader() = default;
  virtual void Send(v1::UploadResponse response) = 0;
  // Nothing is sent after it; what waits is still written.
  virtual void End(absl::Status status) = 0;
  // So many bytes of its chunks have been dealt with.
  virtual void Release(int64_t bytes) = 0;
};

// Uploads and files: who may do what, which chunks are there, when an upload is whole, what it
// becomes. Everything happens on one executor; bytes are moved by the BlobStore. Whatever is told
// to anybody has been committed before, all that one turn of the executor changed by one commit.
//
// Memory: an upload that somebody is attached to, or of which something is under way; its chunks
// are bounded by the window of their callers and charged to the budget.
class FilesCore {
 public:
  template <typename T>
  using Reply = std::function<void(absl::StatusOr<T>)>;
  using UploaderId = uint64_t;

  FilesCore(FilesOptions options, const CoreEnvironment& environment);
  ~FilesCore();

  // Goes on where the last process stopped. Once, first.
  void Start();
  // Limits; the key, the address and the times of links.
  void SetOptions(FilesOptions options) { options_ = std::move(options); }
  const FilesOptions& options() const { return options_; }
  // Expires what is to expire. A few times a second.
  void Tick();
  // Commits what has changed and tells of it now rather than at the end of the turn.
  void Commit();

  // `correlation_id` is that of requests without one of their own.
  UploaderId Attach(Uploader* uploader, IdentityPtr identity, std::string correlation_id);
  // Its chunks are OnRequest's to release. May end the uploader.
  void OnRequest(UploaderId id, v1::UploadRequest request);
  // It sends nothing more, and what it sent has been dealt with: it is ended, at once unless the
  // upload is whole or not known yet.
  void CloseSending(UploaderId id);
  // Nothing is told to it any more. What it sent is kept.
  void Detach(UploaderId id);

  void GetUpload(const IdentityPtr& caller, const v1::GetUploadRequest& request,
                 const Reply<v1::UploadInfo>& reply);
  void CancelUpload(const IdentityPtr& caller, const v1::CancelUploadRequest& request,
                    const Reply<google::protobuf::Empty>& reply);
  // `trusted`: an edge without a user, which shows a link.
  void Get(const IdentityPtr& caller, bool trusted, const v1::GetRequest& request,
           const Reply<v1::File>& reply);
  void List(const IdentityPtr& caller, const v1::ListRequest& request,
            const Reply<v1::ListResponse>& reply);
  // Whether the caller may read it now.
  void Download(const IdentityPtr& caller, bool trusted, const v1::DownloadRequest& request,
                const Reply<v1::File>& reply);
  void Delete(const IdentityPtr& caller, const v1::DeleteRequest& request,
              const std::string& correlation_id, const Reply<google::protobuf::Empty>& reply);

  const FilesCounters& counters() const { return counters_; }
  size_t open_uploads() const { return uploads_.size(); }

 private:
  enum class Phase : uint8_t { kPreparing, kReceiving, kFinishing, kProcessing, kEnded };

  struct Upload;
  struct Attachment {
    UploaderId id = 0;
    Uploader* uploader = nullptr;
    IdentityPtr identity;
    std::string correlation_id;
    Upload* upload = nullptr;
    bool resumed = false;
    bool closed = false;  // It sends nothing more.
  };
  // A chunk that waits for another of the same index.
  struct WaitingChunk {
    UploaderId from;
    int64_t tag;
    v1::Chunk chunk;
  };
  struct Upload {
    UploadRecord record;
    Phase phase = Phase::kPreparing;
    ChunkRanges received;
    int64_t received_rows = 0;  // In the store.
    // Chunks with the BlobStore, by index.
    std::map<int64_t, std::deque<WaitingChunk>> in_flight;
    std::vector<UploaderId> attached;
    UploaderId last_sender = 0;
    std::string correlation_id;
    // Who waits for `ready`: the uploader and the tag.
    std::vector<std::pair<UploaderId, int64_t>> waiting;
    std::optional<FileRecord> file;
  };
  using UploadKey = std::pair<std::string, std::string>;  // User and upload.

  // files_core.cc
  // Runs after the commit of what has changed so far.
  void AfterCommit(std::function<void()> then);
  void Tell(UploaderId id, v1::UploadResponse response);
  void EndUploader(UploaderId id, const absl::Status& status);
  void ReleaseBytes(UploaderId id, int64_t bytes);
  Attachment* Find(UploaderId id);
  Upload* Live(const std::string& user_id, const std::string& upload_id);
  // Live, or brought to life from the store.
  Upload* Load(const std::string& user_id, const std::string& upload_id);
  void Unload(Upload* upload);
  // Tells those who are to know of completion and processing.
  void TellFollowers(const Upload& upload, const v1::UploadResponse& response);
  void EndFollowers(Upload* upload, const absl::Status& status);
  void EndIfClosed(const Attachment& attached);
  template <typename T>
  void Answer(const Reply<T>& reply, absl::StatusOr<T> result);

  // files_core_uploads.cc
  void OnStart(Attachment* from, int64_t tag, v1::StartUpload start);
  void OnResume(Attachment* from, int64_t tag, const v1::ResumeUpload& resume);
  void OnChunk(Attachment* from, int64_t tag, v1::Chunk chunk);
  void OnCancel(Attachment* from, int64_t tag);
  void Refuse(Attachment* from, int64_t tag, const absl::Status& status);
  absl::Status Admit(const common::v1::Identity& user, const UploadRecord& upload);
  void Continue(Attachment* from, int64_t tag, Upload* upload, bool resumed);
  void Bind(Attachment* from, Upload* upload, bool resumed);
  void Prepare(Upload* upload);
  void OnPrepared(const UploadKey& key, int64_t number, absl::StatusOr<bool> created);
  void AnswerReady(const Upload& upload, UploaderId to, int64_t tag);
  void AnswerCompleted(const Upload& upload, UploaderId to, int64_t tag);
  v1::UploadReady ReadyOf(const Upload& upload) const;
  void RefuseChunk(UploaderId to, int64_t tag, int64_t index, const absl::Status& status);
  void Dispatch(Upload* upload, UploaderId from, int64_t tag, v1::Chunk chunk);
  void OnWritten(const UploadKey& key, int64_t number, UploaderId from, int64_t tag, int64_t index,
                 int64_t bytes, const absl::Status& status);
  void NoteReceived(Upload* upload, int64_t index);
  void AckChunk(const Upload& upload, UploaderId to, int64_t tag, int64_t index);
  void Cancel(Upload* upload);
  void End(Upload* upload, v1::UploadState state, std::string failure);

  // files_core_files.cc
  void FinishIfWhole(Upload* upload);
  void OnFinished(const UploadKey& key, int64_t number, const absl::StatusOr<std::string>& sha256);
  // Files are processed one at a time, so that each attempt that ends the process is its file's
  // own.
  void QueueForProcessing(std::string file_id);
  void ProcessNext();
  void OnProcessed(FileRecord file, ProcessingResult result);
  void TellStatus(const FileRecord& file);
  v1::File ToFile(const FileRecord& record, common::v1::PayloadFormat format, bool with_link) const;
  absl::Status MayRead(const common::v1::Identity& caller, std::string_view file_id,
                       std::optional<FileRecord>* file);
  void RemoveFile(const FileRecord& file, std::string_view change,
                  const std::string& correlation_id);
  void Expire();

  FilesOptions options_;
  const CoreEnvironment env_;
  FilesCounters counters_;
  UploaderId next_id_ = 1;
  std::map<UploaderId, Attachment> attachments_;
  std::map<UploadKey, std::unique_ptr<Upload>> uploads_;
  // Ids of files, in the order of their completion. No more than there are files.
  std::deque<std::string> to_process_;
  bool processing_ = false;
  std::vector<std::function<void()>> after_commit_;
  bool commit_posted_ = false;
  int64_t rates_cleaned_ms_ = 0;  // Steady.
  int64_t charged_bytes_ = 0;
};

template <typename T>
void FilesCore::Answer(const Reply<T>& reply, absl::StatusOr<T> result) {
  AfterCommit([reply, result = std::move(result)]() mutable { reply(std::move(result)); });
}

}  // namespace covet::files
