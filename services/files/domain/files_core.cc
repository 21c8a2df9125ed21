#include "services/files/domain/files_core.h"

#include <algorithm>

#include "services/files/domain/errors.h"

namespace covet::files {

FilesCore::FilesCore(FilesOptions options, const CoreEnvironment& environment)
    : options_(std::move(options)), env_(environment) {}

FilesCore::~FilesCore() { env_.memory.Add(-charged_bytes_); }

void FilesCore::Start() {
  counters_.files = env_.metadata.file_count();
  for (FileRecord& file : env_.metadata.UnprocessedFiles()) {
    QueueForProcessing(std::move(file.file_id));
  }
  // Whole, but not yet a file: nobody sends another chunk of these.
  std::vector<UploadKey> whole;
  env_.metadata.EachUploadUnderWay([&](const UploadRecord& record) {
    if (env_.metadata.Received(record.number).count() == record.total_chunks()) {
      whole.emplace_back(record.user_id, record.upload_id);
    }
  });
  for (const auto& [user_id, upload_id] : whole) Load(user_id, upload_id);
}

void FilesCore::AfterCommit(std::function<void()> then) {
  after_commit_.push_back(std::move(then));
  if (std::exchange(commit_posted_, true)) return;
  // Behind what the executor has queued: one commit for all of it.
  env_.executor.Post([this] { Commit(); });
}

void FilesCore::Commit() {
  commit_posted_ = false;
  ++counters_.commits;
  if (absl::Status status = env_.metadata.Commit(); !status.ok()) {
    // Nobody is told anything that may not be so.
    after_commit_.clear();
    return env_.fail(std::move(status));
  }
  std::vector<std::function<void()>> committed;
  committed.swap(after_commit_);
  for (auto& then : committed) then();
}

FilesCore::UploaderId FilesCore::Attach(Uploader* uploader, IdentityPtr identity,
                                        std::string correlation_id) {
  const UploaderId id = next_id_++;
  attachments_.emplace(id, Attachment{.id = id,
                                      .uploader = uploader,
                                      .identity = std::move(identity),
                                      .correlation_id = std::move(correlation_id)});
  return id;
}

void FilesCore::OnRequest(UploaderId id, v1::UploadRequest request) {
  Attachment* from = Find(id);
  if (from == nullptr) return;
  if (!request.correlation_id().empty()) from->correlation_id = request.correlation_id();
  switch (request.kind_case()) {
    case v1::UploadRequest::kStart:
      return OnStart(from, request.tag(), std::move(*request.mutable_start()));
    case v1::UploadRequest::kResume:
      return OnResume(from, request.tag(), request.resume());
    case v1::UploadRequest::kChunk:
      return OnChunk(from, request.tag(), std::move(*request.mutable_chunk()));
    case v1::UploadRequest::kCancel:
      return OnCancel(from, request.tag());
    default:
      return EndUploader(id, InvalidField("kind", "start, resume, chunk or cancel", "nothing"));
  }
}

void FilesCore::CloseSending(UploaderId id) {
  Attachment* attached = Find(id);
  if (attached == nullptr) return;
  attached->closed = true;
  EndIfClosed(*attached);
}

void FilesCore::EndIfClosed(const Attachment& attached) {
  if (!attached.closed) return;
  const Upload* upload = attached.upload;
  const bool more = upload != nullptr &&
                    (upload->phase == Phase::kPreparing || upload->phase == Phase::kFinishing ||
                     upload->phase == Phase::kProcessing);
  if (!more) EndUploader(attached.id, absl::OkStatus());
}

void FilesCore::Detach(UploaderId id) {
  const auto it = attachments_.find(id);
  if (it == attachments_.end()) return;
  Upload* upload = it->second.upload;
  attachments_.erase(it);
  if (upload == nullptr) return;
  std::erase(upload->attached, id);
  Unload(upload);
}

FilesCore::Attachment* FilesCore::Find(UploaderId id) {
  const auto it = attachments_.find(id);
  return it == attachments_.end() ? nullptr : &it->second;
}

void FilesCore::Tell(UploaderId id, v1::UploadResponse response) {
  AfterCommit([this, id, response = std::move(response)]() mutable {
    if (Attachment* to = Find(id)) to->uploader->Send(std::move(response));
  });
}

void FilesCore::EndUploader(UploaderId id, const absl::Status& status) {
  AfterCommit([this, id, status] {
    Attachment* to = Find(id);
    if (to == nullptr) return;
    Uploader* uploader = to->uploader;
    Detach(id);
    uploader->End(status);
  });
}

void FilesCore::ReleaseBytes(UploaderId id, int64_t bytes) {
  env_.memory.Add(-bytes);
  charged_bytes_ -= bytes;
  if (Attachment* to = Find(id)) to->uploader->Release(bytes);
}

FilesCore::Upload* FilesCore::Live(const std::string& user_id, const std::string& upload_id) {
  const auto it = uploads_.find({user_id, upload_id});
  return it == uploads_.end() ? nullptr : it->second.get();
}

FilesCore::Upload* FilesCore::Load(const std::string& user_id, const std::string& upload_id) {
  if (Upload* live = Live(user_id, upload_id)) return live;
  std::optional<UploadRecord> record = env_.metadata.FindUpload(user_id, upload_id);
  if (!record) return nullptr;
  auto upload = std::make_unique<Upload>();
  upload->record = *std::move(record);
  Upload* loaded = upload.get();
  uploads_.emplace(UploadKey(user_id, upload_id), std::move(upload));
  if (loaded->record.state == v1::UPLOAD_STATE_RECEIVING) {
    loaded->received = env_.metadata.Received(loaded->record.number);
    loaded->received_rows = static_cast<int64_t>(loaded->received.range_count());
    Prepare(loaded);
    return loaded;
  }
  loaded->phase = Phase::kEnded;
  if (loaded->record.state != v1::UPLOAD_STATE_COMPLETED) return loaded;
  loaded->file = env_.metadata.FindFile(loaded->record.file_id);
  if (loaded->file && loaded->file->status != v1::PROCESSING_STATUS_COMPLETED &&
      loaded->file->status != v1::PROCESSING_STATUS_FAILED) {
    loaded->phase = Phase::kProcessing;
  }
  return loaded;
}

void FilesCore::Unload(Upload* upload) {
  const bool busy = !upload->attached.empty() || !upload->in_flight.empty() ||
                    upload->phase == Phase::kPreparing || upload->phase == Phase::kFinishing;
  if (busy) return;
  if (upload->phase == Phase::kReceiving) env_.blobs.Release(upload->record.file_id);
  uploads_.erase({upload->record.user_id, upload->record.upload_id});
}

void FilesCore::TellFollowers(const Upload& upload, const v1::UploadResponse& response) {
  for (const UploaderId id : upload.attached) {
    const Attachment* attached = Find(id);
    if (attached->resumed || id == upload.last_sender) Tell(id, response);
  }
}

void FilesCore::EndFollowers(Upload* upload, const absl::Status& status) {
  for (const UploaderId id : upload->attached) EndUploader(id, status);
}

}  // namespace covet::files
