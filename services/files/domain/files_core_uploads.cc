// What one upload goes through, from its start to the last chunk.
#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_join.h"
#include "common/auth/crypto.h"
#include "common/payload/struct_json.h"
#include "common/policy/glob.h"
#include "services/files/domain/errors.h"
#include "services/files/domain/files_core.h"
#include "services/files/domain/upload_fields.h"

namespace covet::files {
namespace {

// The store's rows of received chunks are rewritten when they are so many more than needed.
constexpr int64_t kSpareRows = 128;
// Ranges that a client is told of: some 64 KiB of text. It sends again what it is not told of,
// which changes nothing.
constexpr size_t kMaxToldRanges = 4096;

bool TypeAllowed(const FileLimits& limits, std::string_view mimetype) {
  const std::string_view type = mimetype.substr(0, mimetype.find(';'));
  return limits.types.empty() ||
         std::any_of(limits.types.begin(), limits.types.end(),
                     [&](const std::string& pattern) { return policy::GlobMatch(pattern, type); });
}

}  // namespace

void FilesCore::Refuse(Attachment* from, int64_t tag, const absl::Status& status) {
  ++counters_.uploads_refused;
  // Before it belongs to an upload there is nothing to go on with.
  if (from->upload == nullptr) return EndUploader(from->id, status);
  v1::UploadResponse response;
  response.set_tag(tag);
  v1::Refused* refused = response.mutable_refused();
  refused->set_code(std::string(ProtocolCodeOf(status)));
  refused->set_message(std::string(status.message()));
  for (const auto& [name, value] : DetailsOf(status)) (*refused->mutable_details())[name] = value;
  Tell(from->id, std::move(response));
}

void FilesCore::OnStart(Attachment* from, int64_t tag, v1::StartUpload start) {
  absl::StatusOr<UploadRecord> checked =
      CheckStart(std::move(start), options_.max_chunk_bytes, options_.json_depth);
  if (!checked.ok()) return Refuse(from, tag, checked.status());
  UploadRecord record = *std::move(checked);
  const common::v1::Identity& user = *from->identity;
  record.user_id = user.user_id();
  if (from->upload != nullptr && from->upload->record.upload_id != record.upload_id) {
    return Refuse(from, tag, InvalidField("upload_id", "that of this call", record.upload_id));
  }
  if (!env_.policy.Get()->Allows(user, policy::Action::kFileUpload, record.filename)) {
    return Refuse(from, tag, PermissionDenied("file:upload", record.filename));
  }
  if (Upload* known = Load(record.user_id, record.upload_id)) {
    if (absl::Status same = SameStart(known->record, record); !same.ok()) {
      Refuse(from, tag, same);
      return Unload(known);
    }
    return Continue(from, tag, known, /*resumed=*/true);
  }
  if (absl::Status admitted = Admit(user, record); !admitted.ok()) {
    return Refuse(from, tag, admitted);
  }
  record.types = absl::StrJoin(options_.LimitsOf(user).types, "\n");
  record.file_id = env_.ids.NewId("file_");
  record.expires_ms = env_.clock.WallMillis() + options_.upload_expiry_ms;
  env_.metadata.InsertUpload(&record);
  ++counters_.uploads_started;
  auto made = std::make_unique<Upload>();
  made->record = std::move(record);
  Upload* upload = made.get();
  uploads_.emplace(UploadKey(upload->record.user_id, upload->record.upload_id), std::move(made));
  Continue(from, tag, upload, /*resumed=*/false);
  Prepare(upload);
}

// The rate comes last: what is refused for another reason costs nothing.
absl::Status FilesCore::Admit(const common::v1::Identity& user, const UploadRecord& upload) {
  if (env_.memory.level() != limits::MemoryLevel::kNormal) {
    return Unavailable("MEMORY", "the service is short of memory");
  }
  const FileLimits limits = options_.LimitsOf(user);
  if (!upload.mimetype.empty() && !TypeAllowed(limits, upload.mimetype)) {
    return TypeNotAllowed(upload.mimetype);
  }
  if (limits.max_file_bytes > 0 && upload.size > limits.max_file_bytes) {
    return FileTooLarge(limits.max_file_bytes, upload.size);
  }
  const Usage usage = env_.metadata.UsageOf(user.user_id());
  if (limits.max_uploads > 0 && usage.uploads >= limits.max_uploads) {
    return OverQuota("TOO_MANY_UPLOADS", limits.max_uploads);
  }
  if (limits.max_files > 0 && usage.files + usage.uploads >= limits.max_files) {
    return OverQuota("TOO_MANY_FILES", limits.max_files);
  }
  if (limits.max_total_bytes > 0 &&
      usage.file_bytes + usage.upload_bytes + upload.size > limits.max_total_bytes) {
    return OverQuota("QUOTA", limits.max_total_bytes);
  }
  const std::optional<int64_t> state = env_.metadata.RateState(user.user_id());
  limits::Gcra rate = state ? limits::Gcra::FromState(*state) : limits::Gcra();
  // By the wall's clock: the rate holds over restarts.
  const limits::RateDecision decision = rate.Take(options_.uploads, env_.clock.WallMillis() * 1000);
  if (!decision.allowed) {
    return UploadsRateLimited(decision, limits::ResetWallMillis(decision, env_.clock));
  }
  env_.metadata.SetRateState(user.user_id(), rate.state());
  return absl::OkStatus();
}

void FilesCore::OnResume(Attachment* from, int64_t tag, const v1::ResumeUpload& resume) {
  if (from->upload != nullptr && from->upload->record.upload_id != resume.upload_id()) {
    return Refuse(from, tag, InvalidField("upload_id", "that of this call", resume.upload_id()));
  }
  Upload* upload = Load(from->identity->user_id(), resume.upload_id());
  if (upload == nullptr) return Refuse(from, tag, NoSuchUpload(resume.upload_id()));
  Continue(from, tag, upload, /*resumed=*/true);
}

void FilesCore::Bind(Attachment* from, Upload* upload, bool resumed) {
  if (from->upload == nullptr) {
    from->upload = upload;
    upload->attached.push_back(from->id);
  }
  from->resumed |= resumed;
  upload->last_sender = from->id;
  upload->correlation_id = from->correlation_id;
}

void FilesCore::Continue(Attachment* from, int64_t tag, Upload* upload, bool resumed) {
  if (upload->phase == Phase::kEnded &&
      (upload->record.state != v1::UPLOAD_STATE_COMPLETED || !upload->file)) {
    Refuse(from, tag, UploadEnded(upload->record));
    return Unload(upload);
  }
  Bind(from, upload, resumed);
  if (resumed) ++counters_.uploads_resumed;
  switch (upload->phase) {
    case Phase::kPreparing:
      upload->waiting.emplace_back(from->id, tag);
      return;
    case Phase::kReceiving:
    case Phase::kFinishing:
      return AnswerReady(*upload, from->id, tag);
    case Phase::kProcessing:
      return AnswerCompleted(*upload, from->id, tag);
    case Phase::kEnded:
      AnswerCompleted(*upload, from->id, tag);
      return EndUploader(from->id, absl::OkStatus());
  }
}

void FilesCore::Prepare(Upload* upload) {
  const UploadRecord& record = upload->record;
  env_.blobs.Prepare(
      record.file_id, record.size,
      [this, key = UploadKey(record.user_id, record.upload_id), number = record.number](
          absl::StatusOr<bool> created) { OnPrepared(key, number, std::move(created)); });
}

void FilesCore::OnPrepared(const UploadKey& key, int64_t number, absl::StatusOr<bool> created) {
  Upload* upload = Live(key.first, key.second);
  if (upload == nullptr || upload->record.number != number) return;
  if (upload->phase != Phase::kPreparing) return Unload(upload);
  if (!created.ok()) {
    const absl::Status failure = absl::IsResourceExhausted(created.status())
                                     ? DiskIsFull()
                                     : absl::InternalError("the upload could not be kept");
    // As if it had never begun; with chunks on disk it may go on when the disk lets it.
    upload->phase = Phase::kEnded;
    if (upload->received.count() == 0) {
      env_.blobs.Remove(upload->record.file_id);
      env_.metadata.DeleteUpload(number);
    }
    EndFollowers(upload, failure);
    return Unload(upload);
  }
  if (*created && upload->received.count() > 0) {
    // What had been acknowledged is not there any more.
    return End(upload, v1::UPLOAD_STATE_FAILED, "DATA_LOSS");
  }
  upload->phase = Phase::kReceiving;
  for (const auto& [id, tag] : std::exchange(upload->waiting, {})) AnswerReady(*upload, id, tag);
  FinishIfWhole(upload);
  for (const UploaderId id : upload->attached) EndIfClosed(*Find(id));
  Unload(upload);
}

v1::UploadReady FilesCore::ReadyOf(const Upload& upload) const {
  v1::UploadReady ready;
  ready.set_upload_id(upload.record.upload_id);
  ready.set_chunk_size(static_cast<int32_t>(upload.record.chunk_size));
  ready.set_total_chunks(upload.record.total_chunks());
  for (const auto& [first, last] : upload.received.ranges(kMaxToldRanges)) {
    v1::ChunkRange* range = ready.add_received();
    range->set_first(first);
    range->set_last(last);
  }
  ready.set_window(options_.WindowOf(upload.record.chunk_size));
  SetTime(upload.record.expires_ms, ready.mutable_expires_at());
  return ready;
}

void FilesCore::AnswerReady(const Upload& upload, UploaderId to, int64_t tag) {
  v1::UploadResponse response;
  response.set_tag(tag);
  *response.mutable_ready() = ReadyOf(upload);
  Tell(to, std::move(response));
}

void FilesCore::AnswerCompleted(const Upload& upload, UploaderId to, int64_t tag) {
  v1::UploadResponse response;
  response.set_tag(tag);
  *response.mutable_completed() =
      ToFile(*upload.file, common::v1::PAYLOAD_FORMAT_JSON, /*with_link=*/true);
  Tell(to, std::move(response));
}

void FilesCore::OnChunk(Attachment* from, int64_t tag, v1::Chunk chunk) {
  const auto bytes = static_cast<int64_t>(chunk.data().size());
  env_.memory.Add(bytes);
  charged_bytes_ += bytes;
  const auto refuse = [&](const absl::Status& status) {
    RefuseChunk(from->id, tag, chunk.chunk_index(), status);
    ReleaseBytes(from->id, bytes);
  };
  Upload* upload = from->upload;
  if (upload == nullptr) {
    EndUploader(from->id, InvalidField("kind", "start or resume first", "chunk"));
    return ReleaseBytes(from->id, bytes);
  }
  upload->last_sender = from->id;
  const UploadRecord& record = upload->record;
  const int64_t index = chunk.chunk_index();
  if (index < 0 || index >= record.total_chunks()) {
    return refuse(InvalidField("chunk_index", "0 to " + std::to_string(record.total_chunks() - 1),
                               std::to_string(index)));
  }
  if (bytes != record.ChunkBytes(index)) {
    return refuse(InvalidField("data", std::to_string(record.ChunkBytes(index)) + " bytes",
                               std::to_string(bytes) + " bytes"));
  }
  if (chunk.checksum().size() != auth::kSha256Bytes) {
    return refuse(InvalidField("checksum", "32 bytes", std::to_string(chunk.checksum().size())));
  }
  if (upload->phase != Phase::kPreparing && upload->phase != Phase::kReceiving) {
    // All are there, or none counts any more.
    if (upload->phase == Phase::kEnded && record.state != v1::UPLOAD_STATE_COMPLETED) {
      return refuse(UploadEnded(record));
    }
    ++counters_.chunks_repeated;
    AckChunk(*upload, from->id, tag, index);
    return ReleaseBytes(from->id, bytes);
  }
  const auto [it, free] = upload->in_flight.try_emplace(index);
  if (!free) {
    it->second.push_back({from->id, tag, std::move(chunk)});
    return;
  }
  Dispatch(upload, from->id, tag, std::move(chunk));
}

void FilesCore::RefuseChunk(UploaderId to, int64_t tag, int64_t index, const absl::Status& status) {
  ++counters_.chunks_refused;
  v1::UploadResponse response;
  response.set_tag(tag);
  v1::ChunkRefused* refused = response.mutable_chunk_refused();
  refused->set_chunk_index(index);
  refused->set_code(std::string(ProtocolCodeOf(status)));
  refused->set_message(std::string(status.message()));
  for (auto& [name, value] : DetailsOf(status)) {
    if (name == "field") {
      refused->set_field(value);
    } else {
      (*refused->mutable_details())[name] = value;
    }
  }
  Tell(to, std::move(response));
}

void FilesCore::Dispatch(Upload* upload, UploaderId from, int64_t tag, v1::Chunk chunk) {
  const int64_t index = chunk.chunk_index();
  ChunkWrite write;
  write.blob = upload->record.file_id;
  write.offset = index * upload->record.chunk_size;
  write.data = std::move(*chunk.mutable_data());
  write.checksum = std::move(*chunk.mutable_checksum());
  // A repeat must not touch what has been acknowledged.
  write.check_only = upload->received.Contains(index);
  const auto bytes = static_cast<int64_t>(write.data.size());
  env_.blobs.Write(
      std::move(write),
      [this, key = UploadKey(upload->record.user_id, upload->record.upload_id),
       number = upload->record.number, from, tag, index, bytes](const absl::Status& status) {
        OnWritten(key, number, from, tag, index, bytes, status);
      });
}

void FilesCore::OnWritten(const UploadKey& key, int64_t number, UploaderId from, int64_t tag,
                          int64_t index, int64_t bytes, const absl::Status& status) {
  Upload* upload = Live(key.first, key.second);
  if (upload == nullptr || upload->record.number != number) return ReleaseBytes(from, bytes);
  std::deque<WaitingChunk> waiting = std::move(upload->in_flight[index]);
  upload->in_flight.erase(index);
  const bool ended = upload->phase == Phase::kEnded;
  if (ended) {
    RefuseChunk(from, tag, index, UploadEnded(upload->record));
  } else if (!status.ok()) {
    const bool theirs = CodeOf(status) == ErrorCode::kChecksumMismatch;
    RefuseChunk(from, tag, index,
                theirs ? status : Unavailable("DISK", "the chunk could not be written"));
  } else {
    if (upload->received.Contains(index)) {
      ++counters_.chunks_repeated;
    } else {
      counters_.bytes_stored += bytes;
      NoteReceived(upload, index);
    }
    AckChunk(*upload, from, tag, index);
  }
  ReleaseBytes(from, bytes);
  if (ended) {
    for (const WaitingChunk& chunk : waiting) {
      RefuseChunk(chunk.from, chunk.tag, index, UploadEnded(upload->record));
      ReleaseBytes(chunk.from, static_cast<int64_t>(chunk.chunk.data().size()));
    }
  } else if (!waiting.empty()) {
    WaitingChunk next = std::move(waiting.front());
    waiting.pop_front();
    upload->in_flight[index] = std::move(waiting);
    Dispatch(upload, next.from, next.tag, std::move(next.chunk));
  }
  FinishIfWhole(upload);
  Unload(upload);
}

void FilesCore::NoteReceived(Upload* upload, int64_t index) {
  UploadRecord& record = upload->record;
  upload->received.Add(index);
  ++counters_.chunks_stored;
  env_.metadata.AddReceived(record.number, index, index);
  ++upload->received_rows;
  const auto ranges = static_cast<int64_t>(upload->received.range_count());
  if (upload->received_rows > 2 * ranges + kSpareRows) {
    env_.metadata.ReplaceReceived(record.number, upload->received);
    upload->received_rows = ranges;
  }
  // Not with every chunk: a little late is early enough.
  const int64_t expires_ms = env_.clock.WallMillis() + options_.upload_expiry_ms;
  if (expires_ms - record.expires_ms > options_.upload_expiry_ms / 20) {
    record.expires_ms = expires_ms;
    env_.metadata.SetExpiry(record.number, expires_ms);
  }
}

void FilesCore::AckChunk(const Upload& upload, UploaderId to, int64_t tag, int64_t index) {
  v1::UploadResponse response;
  response.set_tag(tag);
  v1::ChunkAck* ack = response.mutable_chunk_ack();
  ack->set_chunk_index(index);
  ack->set_total_chunks(upload.record.total_chunks());
  // An upload that is a file keeps no account of its chunks.
  ack->set_received_chunks(upload.record.state == v1::UPLOAD_STATE_COMPLETED
                               ? upload.record.total_chunks()
                               : upload.received.count());
  Tell(to, std::move(response));
}

void FilesCore::OnCancel(Attachment* from, int64_t tag) {
  Upload* upload = from->upload;
  if (upload == nullptr) {
    return EndUploader(from->id, InvalidField("kind", "start or resume first", "cancel"));
  }
  upload->last_sender = from->id;
  if (upload->phase != Phase::kPreparing && upload->phase != Phase::kReceiving) {
    return Refuse(from, tag,
                  MakeError(ErrorCode::kConflict, "The upload is complete",
                            {{"reason", "COMPLETED"}, {"file_id", upload->record.file_id}}));
  }
  v1::UploadResponse response;
  response.set_tag(tag);
  response.mutable_cancelled();
  Tell(from->id, std::move(response));
  EndUploader(from->id, absl::OkStatus());
  Cancel(upload);
}

void FilesCore::Cancel(Upload* upload) {
  ++counters_.uploads_cancelled;
  End(upload, v1::UPLOAD_STATE_CANCELLED, "");
}

void FilesCore::End(Upload* upload, v1::UploadState state, std::string failure) {
  UploadRecord& record = upload->record;
  upload->phase = Phase::kEnded;
  record.state = state;
  record.failure = std::move(failure);
  record.ended_ms = env_.clock.WallMillis();
  env_.metadata.EndUpload(record);
  if (state == v1::UPLOAD_STATE_FAILED) ++counters_.uploads_failed;
  // Not before the commit: until then it may still go on after a restart.
  AfterCommit([this, blob = record.file_id] { env_.blobs.Remove(blob); });
  EndFollowers(upload, UploadEnded(record));
  Unload(upload);
}

}  // namespace covet::files
