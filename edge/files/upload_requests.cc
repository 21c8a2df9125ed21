#include "edge/files/upload_requests.h"

#include <optional>
#include <utility>
#include <variant>

#include "absl/strings/escaping.h"
#include "common/base/string_map.h"
#include "edge/session/error_replies.h"
#include "edge/session/session.h"

namespace covet::edge {
namespace {

// RFC 4648 section 4, padding included; nothing else.
std::optional<std::string> DecodeBase64(std::string_view text) {
  std::string bytes;
  if (text.size() % 4 != 0 || text.find_first_of(" \t\r\n") != std::string_view::npos ||
      !absl::Base64Unescape(ToAbsl(text), &bytes)) {
    return std::nullopt;
  }
  return bytes;
}

}  // namespace

void UploadRequests::Handle(Session& session, const ClientMessage& message) {
  if (const auto* start = std::get_if<FileUploadStartMessage>(&message.body)) {
    OnStart(session, message, *start);
  } else if (const auto* chunk = std::get_if<FileChunkMessage>(&message.body)) {
    OnChunk(session, message, *chunk);
  } else if (const auto* resume = std::get_if<FileUploadResumeMessage>(&message.body)) {
    if (!Admit(session, message, resume->upload_id)) return;
    if (const auto upload = Find(session, message, resume->upload_id)) upload->Resume(message);
  } else if (const auto* cancel = std::get_if<FileUploadCancelMessage>(&message.body)) {
    if (const auto upload = Find(session, message, cancel->upload_id)) upload->Cancel(message);
  }
}

void UploadRequests::OnSessionEnd(Session& session) { sessions_.erase(&session); }

void UploadRequests::OnStart(Session& session, const ClientMessage& message,
                             const FileUploadStartMessage& start) {
  if (session.thread().shared().memory.level() != limits::MemoryLevel::kNormal) {
    return session.Refuse(message,
                          MakeErrorMessage(ErrorCode::kUnavailable, "the edge is short of memory",
                                           {{"reason", "MEMORY"}}));
  }
  if (const auto upload = Find(session, message, message.id)) upload->Start(message, start);
}

void UploadRequests::OnChunk(Session& session, const ClientMessage& message,
                             const FileChunkMessage& chunk) {
  if (!Admit(session, message, chunk.upload_id)) return;
  std::optional<std::string> data = chunk.raw ? std::string(chunk.data) : DecodeBase64(chunk.data);
  if (!data) {
    return session.Refuse(
        message,
        MakeErrorMessage(ErrorCode::kInvalidArgument, "data.data must be base64",
                         {{"field", "data.data"}, {"expected", "base64"}, {"received", "string"}}));
  }
  const auto upload = Find(session, message, chunk.upload_id);
  if (upload) upload->Chunk(message, chunk, *std::move(data));
}

bool UploadRequests::Admit(Session& session, const ClientMessage& message,
                           std::string_view upload_id) {
  SessionUploads& uploads = sessions_[&session];
  if (uploads.by_id.find(upload_id) != uploads.by_id.end()) return true;
  // A client that comes back goes on with as many as it may have.
  if (std::holds_alternative<FileUploadResumeMessage>(message.body) &&
      uploads.free_resumes < kMaxUploads) {
    ++uploads.free_resumes;
    return true;
  }
  return session.TakeMessage(message);
}

std::shared_ptr<EdgeUpload> UploadRequests::Find(Session& session, const ClientMessage& message,
                                                 std::string_view upload_id) {
  auto& uploads = sessions_[&session].by_id;
  if (const auto it = uploads.find(upload_id); it != uploads.end()) return it->second;
  if (uploads.size() >= kMaxUploads) {
    session.Refuse(message, MakeErrorMessage(
                                ErrorCode::kConflict, "too many uploads on this connection",
                                {{"reason", "TOO_MANY"}, {"limit", std::to_string(kMaxUploads)}}));
    return nullptr;
  }
  EdgeUpload::Environment environment{session, gateway_, *thread_, counters_, nullptr};
  environment.forget = [this, &session](std::string_view ended) {
    const auto it = sessions_.find(&session);
    if (it == sessions_.end()) return;
    auto& uploads = it->second.by_id;
    if (const auto upload = uploads.find(ended); upload != uploads.end()) uploads.erase(upload);
  };
  auto upload = std::make_shared<EdgeUpload>(std::move(environment), std::string(upload_id));
  uploads.emplace(upload_id, upload);
  return upload;
}

}  // namespace covet::edge
