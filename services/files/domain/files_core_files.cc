// What an upload becomes: keeping, processing, reading and removing files.
#include <algorithm>
#include <limits>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "common/auth/crypto.h"
#include "common/payload/json_writer.h"
#include "common/payload/struct_json.h"
#include "common/policy/glob.h"
#include "services/files/domain/errors.h"
#include "services/files/domain/files_core.h"
#include "services/files/domain/links.h"
#include "services/files/domain/media_types.h"
#include "services/files/domain/upload_fields.h"

namespace covet::files {
namespace {

constexpr int kExpiredPerTick = 100;
constexpr int64_t kCleanRatesMs = 60'000;
constexpr int kDefaultPageSize = 100;
constexpr int kMaxPageSize = 1000;
// Of processing one file, which may have ended the process each time.
constexpr int64_t kMaxAttempts = 3;

bool IsOver(v1::ProcessingStatus status) {
  return status == v1::PROCESSING_STATUS_COMPLETED || status == v1::PROCESSING_STATUS_FAILED;
}

bool TypeMatches(const std::string& types, std::string_view mimetype) {
  if (types.empty()) return true;
  const std::string type(mimetype.substr(0, mimetype.find(';')));
  const std::vector<std::string> patterns = absl::StrSplit(types, '\n');
  return std::any_of(patterns.begin(), patterns.end(),
                     [&](const std::string& pattern) { return policy::GlobMatch(pattern, type); });
}

ProcessingResult Failed(std::string_view reason, std::string_view name, std::string_view value) {
  ProcessingResult result;
  result.failed = true;
  result.details = "{";
  payload::AppendStringMember(&result.details, "reason", reason);
  payload::AppendStringMember(&result.details, name, value);
  result.details.push_back('}');
  return result;
}

// Where only some types are allowed, nobody reads a file before its own is known.
absl::Status CheckProcessed(const FileRecord& file) {
  if (file.types.empty() || IsOver(file.status)) return absl::OkStatus();
  return Unavailable("PROCESSING", "the file is being processed");
}

// Whether the caller holds `*` there.
bool MayEverything(const policy::Policy& policy, const common::v1::Identity& caller,
                   std::string_view resource) {
  for (int action = 0; action < policy::kActionCount; ++action) {
    if (!policy.Allows(caller, static_cast<policy::Action>(action), resource)) return false;
  }
  return true;
}

// Where a page ended: `<created_ms>.<file_id>`.
std::string MakePageToken(const FileRecord& file) {
  return auth::EncodeBase64Url(std::to_string(file.created_ms) + "." + file.file_id);
}

bool ReadPageToken(const std::string& token, int64_t* created_ms, std::string* file_id) {
  const std::optional<std::string> text = auth::DecodeBase64Url(token);
  if (!text) return false;
  const size_t dot = text->find('.');
  if (dot == std::string::npos || !absl::SimpleAtoi(text->substr(0, dot), created_ms)) return false;
  *file_id = text->substr(dot + 1);
  return true;
}

}  // namespace

void FilesCore::FinishIfWhole(Upload* upload) {
  const UploadRecord& record = upload->record;
  if (upload->phase != Phase::kReceiving || !upload->in_flight.empty() ||
      upload->received.count() < record.total_chunks()) {
    return;
  }
  upload->phase = Phase::kFinishing;
  env_.blobs.Finish(
      record.file_id, record.sha256,
      [this, key = UploadKey(record.user_id, record.upload_id), number = record.number](
          const absl::StatusOr<std::string>& sha256) { OnFinished(key, number, sha256); });
}

void FilesCore::OnFinished(const UploadKey& key, int64_t number,
                           const absl::StatusOr<std::string>& sha256) {
  Upload* upload = Live(key.first, key.second);
  if (upload == nullptr || upload->record.number != number) return;
  UploadRecord& record = upload->record;
  if (!sha256.ok()) {
    const bool theirs = CodeOf(sha256.status()) == ErrorCode::kChecksumMismatch;
    return End(upload, v1::UPLOAD_STATE_FAILED, theirs ? "CHECKSUM_MISMATCH" : "DISK");
  }
  FileRecord file;
  file.file_id = record.file_id;
  file.upload_id = record.upload_id;
  file.user_id = record.user_id;
  file.filename = record.filename;
  file.mimetype = record.mimetype;
  file.sha256 = *sha256;
  file.metadata = record.metadata;
  file.types = record.types;
  file.size = record.size;
  file.created_ms = env_.clock.WallMillis();
  record.state = v1::UPLOAD_STATE_COMPLETED;
  record.ended_ms = file.created_ms;
  env_.metadata.InsertFile(file);
  env_.metadata.EndUpload(record);
  ++counters_.uploads_completed;
  ++counters_.files;
  upload->phase = Phase::kProcessing;
  upload->file = file;

  v1::UploadResponse response;
  *response.mutable_completed() = ToFile(file, common::v1::PAYLOAD_FORMAT_JSON, /*with_link=*/true);
  TellFollowers(*upload, response);
  AfterCommit([this, file = std::move(file), correlation_id = upload->correlation_id]() mutable {
    env_.changed(
        {file.user_id, file.file_id, file.upload_id, file.filename, "uploaded", correlation_id});
    QueueForProcessing(std::move(file.file_id));
  });
  Unload(upload);
}

void FilesCore::QueueForProcessing(std::string file_id) {
  to_process_.push_back(std::move(file_id));
  ProcessNext();
}

void FilesCore::ProcessNext() {
  while (!processing_ && !to_process_.empty()) {
    const std::string file_id = std::move(to_process_.front());
    to_process_.pop_front();
    std::optional<FileRecord> file = env_.metadata.FindFile(file_id);
    if (!file) continue;  // Deleted meanwhile.
    if (file->attempts >= kMaxAttempts) {
      OnProcessed(*std::move(file), Failed("PROCESSING_FAILED", "message", "given up"));
      continue;
    }
    processing_ = true;
    ++file->attempts;
    file->status = v1::PROCESSING_STATUS_PROCESSING;
    env_.metadata.UpdateFile(*file);
    TellStatus(*file);
    AfterCommit([this, file = *std::move(file)] {
      env_.processing.Process(file, [this, file](ProcessingResult result) {
        processing_ = false;
        OnProcessed(file, std::move(result));
        ProcessNext();
      });
    });
  }
}

void FilesCore::OnProcessed(FileRecord file, ProcessingResult result) {
  // It may have been deleted meanwhile.
  if (!env_.metadata.FindFile(file.file_id)) return;
  if (!result.failed) {
    const std::string detected = std::move(result.mimetype);
    // What was announced is of an allowed type.
    const bool allowed = TypeMatches(file.types, detected) ||
                         (!file.mimetype.empty() && TypeFits(file.mimetype, detected));
    if (!allowed) result = Failed("TYPE_NOT_ALLOWED", "detected_type", detected);
    if (file.mimetype.empty()) file.mimetype = detected;
  }
  file.status = result.failed ? v1::PROCESSING_STATUS_FAILED : v1::PROCESSING_STATUS_COMPLETED;
  file.details = std::move(result.details);
  env_.metadata.UpdateFile(file);
  ++(result.failed ? counters_.files_failed : counters_.files_processed);
  TellStatus(file);
}

void FilesCore::TellStatus(const FileRecord& file) {
  Upload* upload = Live(file.user_id, file.upload_id);
  if (upload == nullptr || upload->record.file_id != file.file_id) return;
  upload->file = file;
  v1::UploadResponse response;
  v1::FileStatus* status = response.mutable_status();
  status->set_upload_id(file.upload_id);
  status->set_file_id(file.file_id);
  status->set_processing_status(file.status);
  if (!file.details.empty()) status->mutable_details()->set_json(file.details);
  TellFollowers(*upload, response);
  if (!IsOver(file.status)) return;
  upload->phase = Phase::kEnded;
  EndFollowers(upload, absl::OkStatus());
  Unload(upload);
}

v1::File FilesCore::ToFile(const FileRecord& record, common::v1::PayloadFormat format,
                           bool with_link) const {
  v1::File file;
  file.set_file_id(record.file_id);
  file.set_upload_id(record.upload_id);
  file.set_user_id(record.user_id);
  file.set_filename(record.filename);
  file.set_size(record.size);
  file.set_mimetype(record.mimetype);
  file.set_sha256(record.sha256);
  if (!record.metadata.empty()) {
    payload::JsonToPayload(record.metadata, format, file.mutable_metadata());
  }
  if (!record.details.empty()) {
    payload::JsonToPayload(record.details, format, file.mutable_details());
  }
  SetTime(record.created_ms, file.mutable_created_at());
  file.set_processing_status(record.status);
  if (with_link) {
    const int64_t expires_s = (env_.clock.WallMillis() + options_.url_ttl_ms) / 1000;
    file.set_url(MakeLink(options_, record.file_id, expires_s));
    file.mutable_url_expires_at()->set_seconds(expires_s);
  }
  return file;
}

void FilesCore::GetUpload(const IdentityPtr& caller, const v1::GetUploadRequest& request,
                          const Reply<v1::UploadInfo>& reply) {
  Upload* upload = Load(caller->user_id(), request.upload_id());
  if (upload == nullptr) {
    return Answer<v1::UploadInfo>(reply, NoSuchUpload(request.upload_id()));
  }
  const UploadRecord& record = upload->record;
  if (!env_.policy.Get()->Allows(*caller, policy::Action::kFileUpload, record.filename)) {
    Answer<v1::UploadInfo>(reply, PermissionDenied("file:upload", record.filename));
    return Unload(upload);
  }
  v1::UploadInfo info;
  info.set_upload_id(record.upload_id);
  info.set_state(record.state);
  info.set_filename(record.filename);
  info.set_size(record.size);
  if (record.state == v1::UPLOAD_STATE_RECEIVING) *info.mutable_ready() = ReadyOf(*upload);
  if (record.state == v1::UPLOAD_STATE_COMPLETED) info.set_file_id(record.file_id);
  Answer<v1::UploadInfo>(reply, std::move(info));
  Unload(upload);
}

void FilesCore::CancelUpload(const IdentityPtr& caller, const v1::CancelUploadRequest& request,
                             const Reply<google::protobuf::Empty>& reply) {
  using google::protobuf::Empty;
  Upload* upload = Load(caller->user_id(), request.upload_id());
  if (upload == nullptr) return Answer<Empty>(reply, NoSuchUpload(request.upload_id()));
  const UploadRecord& record = upload->record;
  const auto answer = [&](absl::Status status) {
    Answer<Empty>(reply, status.ok() ? absl::StatusOr<Empty>(Empty()) : std::move(status));
    Unload(upload);
  };
  if (!env_.policy.Get()->Allows(*caller, policy::Action::kFileUpload, record.filename)) {
    return answer(PermissionDenied("file:upload", record.filename));
  }
  if (record.state == v1::UPLOAD_STATE_CANCELLED) return answer(absl::OkStatus());
  if (upload->phase != Phase::kPreparing && upload->phase != Phase::kReceiving) {
    return answer(
        MakeError(ErrorCode::kConflict, "The upload has ended", {{"upload_id", record.upload_id}}));
  }
  Answer<Empty>(reply, Empty());
  Cancel(upload);
}

absl::Status FilesCore::MayRead(const common::v1::Identity& caller, std::string_view file_id,
                                std::optional<FileRecord>* file) {
  *file = env_.metadata.FindFile(file_id);
  const bool own = *file && (*file)->user_id == caller.user_id() && !caller.user_id().empty();
  if (!own && !env_.policy.Get()->Allows(caller, policy::Action::kFileRead, file_id)) {
    return PermissionDenied("file:read", file_id);
  }
  return *file ? absl::OkStatus() : NoSuchFile(file_id);
}

void FilesCore::Get(const IdentityPtr& caller, bool trusted, const v1::GetRequest& request,
                    const Reply<v1::File>& reply) {
  std::optional<FileRecord> file;
  if (trusted) {
    if (!LinkHolds(options_, request.file_id(), request.link().expires(),
                   request.link().signature(), env_.clock.WallMillis())) {
      return Answer<v1::File>(
          reply,
          MakeError(
              ErrorCode::kPermissionDenied, "The link does not hold any more",
              {{"reason", "LINK"}, {"action", "file:read"}, {"resource", request.file_id()}}));
    }
    file = env_.metadata.FindFile(request.file_id());
    if (!file) return Answer<v1::File>(reply, NoSuchFile(request.file_id()));
    // The edge is about to send it.
    if (absl::Status status = CheckProcessed(*file); !status.ok()) {
      return Answer<v1::File>(reply, std::move(status));
    }
  } else if (absl::Status status = MayRead(*caller, request.file_id(), &file); !status.ok()) {
    return Answer<v1::File>(reply, std::move(status));
  }
  Answer<v1::File>(reply, ToFile(*file, request.payload_format(), !trusted));
}

void FilesCore::List(const IdentityPtr& caller, const v1::ListRequest& request,
                     const Reply<v1::ListResponse>& reply) {
  const std::string& user_id = request.user_id().empty() ? caller->user_id() : request.user_id();
  const bool own = user_id == caller->user_id();
  if (request.page_size() < 0 || request.page_size() > kMaxPageSize) {
    return Answer<v1::ListResponse>(
        reply, InvalidField("page_size", "0 to 1000", std::to_string(request.page_size())));
  }
  const int page_size = request.page_size() == 0 ? kDefaultPageSize : request.page_size();
  int64_t created_ms = std::numeric_limits<int64_t>::max();
  std::string file_id;
  if (!request.page_token().empty() &&
      !ReadPageToken(request.page_token(), &created_ms, &file_id)) {
    return Answer<v1::ListResponse>(
        reply, InvalidField("page_token", "that of the page before", request.page_token()));
  }
  const std::vector<FileRecord> files =
      env_.metadata.ListFiles(user_id, created_ms, file_id, page_size + 1);
  const auto policy = env_.policy.Get();
  v1::ListResponse response;
  for (size_t i = 0; i < files.size(); ++i) {
    if (i == static_cast<size_t>(page_size)) {
      response.set_next_page_token(MakePageToken(files[i - 1]));
      break;
    }
    if (own || policy->Allows(*caller, policy::Action::kFileRead, files[i].file_id)) {
      *response.add_files() = ToFile(files[i], request.payload_format(), /*with_link=*/false);
    }
  }
  Answer<v1::ListResponse>(reply, std::move(response));
}

void FilesCore::Download(const IdentityPtr& caller, bool trusted,
                         const v1::DownloadRequest& request, const Reply<v1::File>& reply) {
  std::optional<FileRecord> file;
  absl::Status status;
  if (trusted) {
    file = env_.metadata.FindFile(request.file_id());
    if (!file) status = NoSuchFile(request.file_id());
  } else {
    status = MayRead(*caller, request.file_id(), &file);
  }
  if (status.ok() && (request.offset() < 0 || request.offset() > file->size)) {
    status = InvalidField("offset", "0 to the file's size", std::to_string(request.offset()));
  }
  if (status.ok() && (request.length() < 0 || request.length() > file->size - request.offset())) {
    status =
        InvalidField("length", "0 to what follows the offset", std::to_string(request.length()));
  }
  if (status.ok() && file->status == v1::PROCESSING_STATUS_FAILED) {
    status = MakeError(ErrorCode::kConflict, "The file's processing failed",
                       {{"reason", "PROCESSING_FAILED"}, {"file_id", file->file_id}});
  }
  if (status.ok()) status = CheckProcessed(*file);
  if (!status.ok()) return Answer<v1::File>(reply, std::move(status));
  Answer<v1::File>(reply, ToFile(*file, common::v1::PAYLOAD_FORMAT_JSON, /*with_link=*/false));
}

void FilesCore::Delete(const IdentityPtr& caller, const v1::DeleteRequest& request,
                       const std::string& correlation_id,
                       const Reply<google::protobuf::Empty>& reply) {
  using google::protobuf::Empty;
  const std::optional<FileRecord> file = env_.metadata.FindFile(request.file_id());
  const auto policy = env_.policy.Get();
  const bool own = file && file->user_id == caller->user_id() &&
                   policy->Allows(*caller, policy::Action::kFileUpload, file->filename);
  if (!own && !MayEverything(*policy, *caller, request.file_id())) {
    return Answer<Empty>(reply, PermissionDenied("file:upload", request.file_id()));
  }
  if (!file) return Answer<Empty>(reply, NoSuchFile(request.file_id()));
  RemoveFile(*file, "deleted", correlation_id);
  Answer<Empty>(reply, Empty());
}

void FilesCore::RemoveFile(const FileRecord& file, std::string_view change,
                           const std::string& correlation_id) {
  env_.metadata.DeleteFile(file.file_id);
  ++counters_.files_deleted;
  --counters_.files;
  if (Upload* upload = Live(file.user_id, file.upload_id);
      upload != nullptr && upload->file && upload->record.file_id == file.file_id) {
    upload->file.reset();
    upload->phase = Phase::kEnded;
    EndFollowers(upload, NoSuchFile(file.file_id));
    Unload(upload);
  }
  AfterCommit([this, file, change, correlation_id] {
    env_.blobs.Remove(file.file_id);
    env_.changed(
        {file.user_id, file.file_id, file.upload_id, file.filename, change, correlation_id});
  });
}

void FilesCore::Tick() { Expire(); }

void FilesCore::Expire() {
  const int64_t now_ms = env_.clock.WallMillis();
  bool changed = false;  // Without anybody to tell.
  for (const UploadRecord& record : env_.metadata.ExpiredUploads(now_ms, kExpiredPerTick)) {
    Upload* live = Live(record.user_id, record.upload_id);
    if (live != nullptr) {
      // Something is under way that will set a later time, or end it.
      if (!live->in_flight.empty() || live->phase == Phase::kPreparing ||
          live->phase == Phase::kFinishing) {
        continue;
      }
    } else {
      auto upload = std::make_unique<Upload>();
      upload->record = record;
      upload->phase = Phase::kReceiving;
      live = upload.get();
      uploads_.emplace(UploadKey(record.user_id, record.upload_id), std::move(upload));
    }
    ++counters_.uploads_expired;
    End(live, v1::UPLOAD_STATE_EXPIRED, "");
  }
  for (const UploadRecord& record :
       env_.metadata.EndedUploads(now_ms - options_.remember_ms, kExpiredPerTick)) {
    if (Live(record.user_id, record.upload_id) == nullptr) {
      env_.metadata.DeleteUpload(record.number);
      changed = true;
    }
  }
  if (options_.retention_ms > 0) {
    for (const FileRecord& file :
         env_.metadata.FilesOlderThan(now_ms - options_.retention_ms, kExpiredPerTick)) {
      RemoveFile(file, "expired", "");
    }
  }
  if (env_.clock.SteadyMillis() - rates_cleaned_ms_ > kCleanRatesMs) {
    rates_cleaned_ms_ = env_.clock.SteadyMillis();
    env_.metadata.DeleteRateStatesBefore(now_ms * 1'000'000);
    changed = true;
  }
  if (changed) AfterCommit([] {});
}

}  // namespace covet::files
