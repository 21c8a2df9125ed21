#include "edge/files/edge_upload.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <limits>
#include <utility>
#include <vector>

#include "common/auth/crypto.h"
#include "common/base/proto_time.h"
#include "edge/session/error_replies.h"

namespace covet::edge {
namespace {

using files::v1::UploadRequest;
using files::v1::UploadResponse;

// Until the service has said how many chunks it takes.
constexpr int64_t kFirstWindow = 2;
constexpr int64_t kFirstReopenMs = 100;
constexpr int64_t kMaxReopenMs = 2'000;

std::string_view StatusName(files::v1::ProcessingStatus status) {
  switch (status) {
    case files::v1::PROCESSING_STATUS_PROCESSING:
      return "processing";
    case files::v1::PROCESSING_STATUS_COMPLETED:
      return "completed";
    case files::v1::PROCESSING_STATUS_FAILED:
      return "failed";
    default:
      return "queued";
  }
}

// Fields of the protocol's messages lie in `data`; a rate is a member of its own.
ErrorMessage ShowDetails(ErrorMessage error) {
  if (const auto field = error.details.find("field"); field != error.details.end()) {
    field->second = "data." + field->second;
  }
  if (error.code != TraitsOf(ErrorCode::kRateLimited).protocol_code) return error;
  const auto take = [&](const char* name) {
    const auto it = error.details.find(name);
    if (it == error.details.end()) return int64_t{0};
    const int64_t value = std::strtoll(it->second.c_str(), nullptr, 10);
    error.details.erase(it);
    return value;
  };
  error.rate_limit = RateLimit{take("limit"), take("remaining"), take("reset_ms")};
  return error;
}

template <typename Refusal>
ErrorMessage ErrorOf(const Refusal& refusal) {
  ErrorMessage error;
  error.code = refusal.code();
  error.message = refusal.message();
  for (const auto& [name, value] : refusal.details()) error.details.emplace(name, value);
  return error;
}

// Whether the service itself has said so, and not what lies between.
bool IsVerdict(const absl::Status& status) {
  const ErrorCode code = CodeOf(status);
  if (code == ErrorCode::kCancelled) return !DetailsOf(status).empty();
  return code != ErrorCode::kUnavailable && code != ErrorCode::kInternal;
}

ErrorMessage ServiceAway() {
  return MakeErrorMessage(ErrorCode::kUnavailable, "the files service cannot be reached");
}

}  // namespace

EdgeUpload::EdgeUpload(Environment environment, std::string upload_id)
    : env_(std::move(environment)),
      upload_id_(std::move(upload_id)),
      window_(kFirstWindow),
      reopen_(kFirstReopenMs, kMaxReopenMs),
      memory_(&env_.session.thread().shared().memory) {
  env_.counters.open.Add();
}

EdgeUpload::~EdgeUpload() {
  env_.counters.open.Sub();
  env_.session.thread().shared().running.fetch_sub(pending_chunks_, std::memory_order_relaxed);
  if (stream_) stream_->Cancel();
}

void EdgeUpload::Open(bool begins) {
  if (stream_) return;
  stream_ = env_.gateway.OpenUpload(env_.thread, env_.session.identity(), weak_from_this());
  // Nobody asked: its answer has no tag.
  if (!begins) SendResume(0);
}

void EdgeUpload::SendResume(int64_t tag) {
  UploadRequest resume;
  resume.mutable_resume()->set_upload_id(upload_id_);
  resume.set_tag(tag);
  resume.set_correlation_id(correlation_id_);
  stream_->Send(std::move(resume));
}

int64_t EdgeUpload::Await(Kind kind, const ClientMessage& message, int64_t bytes) {
  const int64_t tag = next_tag_++;
  if (kind == Kind::kStart || kind == Kind::kResume || correlation_id_.empty()) {
    correlation_id_ = message.correlation_id.empty() ? message.id : message.correlation_id;
  }
  pending_.emplace(tag, Pending{kind, env_.session.Begin(message, ""), bytes});
  if (kind != Kind::kChunk) return tag;
  ++pending_chunks_;
  env_.session.thread().shared().running.fetch_add(1, std::memory_order_relaxed);
  memory_.Add(bytes);
  UpdateHold();
  return tag;
}

bool EdgeUpload::TakePending(int64_t tag, Request* request) {
  const auto it = pending_.find(tag);
  if (it == pending_.end()) return false;
  const Pending pending = it->second;
  pending_.erase(it);
  *request = env_.session.Finish(pending.request);
  if (pending.kind == Kind::kChunk) {
    --pending_chunks_;
    env_.session.thread().shared().running.fetch_sub(1, std::memory_order_relaxed);
    memory_.Release(pending.bytes);
    UpdateHold();
  }
  return true;
}

void EdgeUpload::UpdateHold() {
  const bool hold = pending_chunks_ >= window_;
  if (hold == held_) return;
  held_ = hold;
  if (hold) {
    env_.counters.windows_full.Add();
    env_.session.HoldReading();
  } else {
    env_.session.ReleaseReading();
  }
}

void EdgeUpload::Start(const ClientMessage& message, const FileUploadStartMessage& start) {
  UploadRequest request;
  files::v1::StartUpload* out = request.mutable_start();
  out->set_upload_id(upload_id_);
  out->set_filename(std::string(start.filename));
  out->set_size(start.size);
  out->set_mimetype(std::string(start.mimetype));
  // What does not fit is refused there, as is every chunk size that is too large.
  out->set_chunk_size(static_cast<int32_t>(
      std::min<int64_t>(start.chunk_size, std::numeric_limits<int32_t>::max())));
  out->set_sha256(std::string(start.sha256));
  if (!start.metadata.empty()) out->mutable_metadata()->set_json(std::string(start.metadata));
  request.set_tag(Await(Kind::kStart, message));
  request.set_correlation_id(correlation_id_);
  Open(/*begins=*/true);
  stream_->Send(std::move(request));
}

void EdgeUpload::Resume(const ClientMessage& message) {
  const int64_t tag = Await(Kind::kResume, message);
  Open(/*begins=*/true);
  SendResume(tag);
}

void EdgeUpload::Chunk(const ClientMessage& message, const FileChunkMessage& chunk,
                       std::string data) {
  UploadRequest request;
  files::v1::Chunk* out = request.mutable_chunk();
  out->set_chunk_index(chunk.chunk_index);
  // The decoder has seen that it is 64 digits.
  out->set_checksum(auth::DecodeHex(chunk.checksum).value_or(""));
  const auto bytes = static_cast<int64_t>(data.size());
  env_.counters.chunks.Add();
  env_.counters.chunk_bytes.Add(data.size());
  out->set_data(std::move(data));
  request.set_tag(Await(Kind::kChunk, message, bytes));
  Open(/*begins=*/false);
  stream_->Send(std::move(request));
}

void EdgeUpload::Cancel(const ClientMessage& message) {
  UploadRequest request;
  request.mutable_cancel();
  request.set_tag(Await(Kind::kCancel, message));
  Open(/*begins=*/false);
  stream_->Send(std::move(request));
}

void EdgeUpload::OnResponse(UploadResponse response) {
  MessageEncoder& encoder = env_.session.thread().encoder();
  Request request;
  switch (response.kind_case()) {
    case UploadResponse::kReady: {
      const files::v1::UploadReady& ready = response.ready();
      known_ = true;
      reopen_.Reset();
      window_ = std::max<int64_t>(ready.window(), 1);
      UpdateHold();
      if (!TakePending(response.tag(), &request)) return;
      std::vector<std::pair<int64_t, int64_t>> received;
      for (const files::v1::ChunkRange& range : ready.received()) {
        received.emplace_back(range.first(), range.last());
      }
      UploadReady shown;
      shown.upload_id = upload_id_;
      shown.chunk_size = ready.chunk_size();
      shown.total_chunks = ready.total_chunks();
      shown.received = received;
      shown.window = ready.window();
      shown.expires_at_ms = Millis(ready.expires_at());
      return env_.session.Reply(encoder.FileUploadReady(shown, request.reply_to()),
                                request.priority);
    }
    case UploadResponse::kChunkAck: {
      if (!TakePending(response.tag(), &request)) return;
      const files::v1::ChunkAck& ack = response.chunk_ack();
      return env_.session.Reply(encoder.FileChunkAck({upload_id_, ack.chunk_index(),
                                                      ack.received_chunks(), ack.total_chunks()},
                                                     request.reply_to()),
                                request.priority);
    }
    case UploadResponse::kChunkRefused: {
      ErrorMessage error = ErrorOf(response.chunk_refused());
      if (const std::string& field = response.chunk_refused().field(); !field.empty()) {
        error.details.emplace("field", field);
      }
      return Refuse(response.tag(), ShowDetails(std::move(error)));
    }
    case UploadResponse::kRefused:
      return Refuse(response.tag(), ShowDetails(ErrorOf(response.refused())));
    case UploadResponse::kCompleted: {
      known_ = true;
      reopen_.Reset();
      if (TakePending(response.tag(), &request)) {
        const ReplyTo to = request.reply_to();
        return TellCompleted(response.completed(), &to);
      }
      if (!completed_) return TellCompleted(response.completed(), nullptr);
      const files::v1::File& file = response.completed();
      return TellStatus(file.file_id(), file.processing_status(), file.details().json());
    }
    case UploadResponse::kStatus: {
      const files::v1::FileStatus& status = response.status();
      return TellStatus(status.file_id(), status.processing_status(), status.details().json());
    }
    case UploadResponse::kCancelled:
      cancelled_ = true;
      if (TakePending(response.tag(), &request)) {
        env_.session.Reply(encoder.FileUploadCancelled(upload_id_, request.reply_to()),
                           request.priority);
      }
      return ForgetIfIdle();
    default:
      return;
  }
}

void EdgeUpload::TellCompleted(const files::v1::File& file, const ReplyTo* to) {
  completed_ = true;
  // Who did not ask is told the story from its beginning, however late.
  told_ = to != nullptr ? file.processing_status() : files::v1::PROCESSING_STATUS_QUEUED;
  env_.session.Reply(env_.session.thread().encoder().FileUploadComplete(
                         {upload_id_, file.file_id(), file.url(), StatusName(told_)}, to),
                     Priority::kNormal);
  TellStatus(file.file_id(), file.processing_status(), file.details().json());
}

void EdgeUpload::TellStatus(std::string_view file_id, files::v1::ProcessingStatus status,
                            std::string_view details) {
  // A new stream tells the old story again.
  if (status <= told_) return;
  told_ = status;
  env_.session.Reply(
      env_.session.thread().encoder().FileStatus(
          {upload_id_, file_id, StatusName(status), details.empty() ? "{}" : details}),
      Priority::kNormal);
  if (status == files::v1::PROCESSING_STATUS_COMPLETED ||
      status == files::v1::PROCESSING_STATUS_FAILED) {
    ForgetIfIdle();
  }
}

void EdgeUpload::Refuse(int64_t tag, const ErrorMessage& error) {
  Request request;
  if (TakePending(tag, &request)) env_.session.Refuse(request, error);
}

// One refusal that answers many is told to the audit log once, for what came first.
void EdgeUpload::RefuseAll(const ErrorMessage& error) {
  if (!pending_.empty()) Refuse(pending_.begin()->first, error);
  Request request;
  while (!pending_.empty()) {
    if (TakePending(pending_.begin()->first, &request)) env_.session.RefuseToo(request, error);
  }
}

// What comes from now on is asked anew. The stream's end may still be on its way.
void EdgeUpload::ForgetIfIdle() {
  if (pending_.empty()) env_.forget(upload_id_);
}

// The service has ended the stream; what it had not read by then came too late.
void EdgeUpload::OnGoodEnd() {
  std::vector<int64_t> again;
  std::vector<int64_t> late;
  for (const auto& [tag, pending] : pending_) {
    const bool asks = pending.kind == Kind::kStart || pending.kind == Kind::kResume;
    (asks ? again : late).push_back(tag);
  }
  const ErrorMessage error =
      cancelled_ ? MakeErrorMessage(ErrorCode::kCancelled, "the upload was cancelled",
                                    {{"upload_id", upload_id_}})
                 : MakeErrorMessage(ErrorCode::kConflict, "the upload has ended",
                                    {{"reason", "ENDED"}, {"upload_id", upload_id_}});
  for (const int64_t tag : late) Refuse(tag, error);
  if (again.empty()) return env_.forget(upload_id_);
  Open(/*begins=*/true);
  for (const int64_t tag : again) SendResume(tag);
}

void EdgeUpload::OnEnd(const absl::Status& status) {
  // Forgetting it must not be the end of this call.
  const std::shared_ptr<EdgeUpload> self = shared_from_this();
  stream_ = nullptr;
  if (status.ok()) return OnGoodEnd();
  if (!IsVerdict(status)) {
    env_.counters.streams_broken.Add();
    const bool theirs = !known_ && !DetailsOf(status).empty();
    RefuseAll(theirs ? ToErrorMessage(status) : ServiceAway());
    if (!known_) return env_.forget(upload_id_);
    return Reopen();
  }
  const ErrorMessage error = ShowDetails(ToErrorMessage(status));
  if (pending_.empty() && known_) {
    // Nobody waits for an answer: the upload's own id tells what has failed.
    Request request;
    request.id = upload_id_;
    env_.session.Refuse(request, error);
  }
  RefuseAll(error);
  env_.forget(upload_id_);
}

void EdgeUpload::Reopen() {
  env_.thread.RunAfter(std::chrono::milliseconds(reopen_.NextMs()), [weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->Open(/*begins=*/false);
  });
}

}  // namespace covet::edge
