#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "edge/codec/client_messages.h"
#include "edge/files/edge_upload.h"
#include "edge/files/files_gateway.h"
#include "edge/session/router.h"

namespace covet::edge {

// Answers what concerns uploads, for the sessions of one edge thread.
class UploadRequests final : public RequestHandler {
 public:
  // Uploads that a session may have under way; one more is refused as CONFLICT.
  static constexpr size_t kMaxUploads = 64;

  explicit UploadRequests(FilesGateway& gateway) : gateway_(gateway) {}

  // The thread that it lives on. Once, before the first session.
  void Bind(EdgeThread* thread) { thread_ = thread; }

  void Handle(Session& session, const ClientMessage& message) override;
  void OnSessionEnd(Session& session) override;

  const UploadCounters& counters() const { return counters_; }

 private:
  struct SessionUploads {
    std::map<std::string, std::shared_ptr<EdgeUpload>, std::less<>> by_id;
    // Resumes of uploads that the session did not have, not counted against its rate.
    size_t free_resumes = 0;
  };

  void OnStart(Session& session, const ClientMessage& message, const FileUploadStartMessage& start);
  void OnChunk(Session& session, const ClientMessage& message, const FileChunkMessage& chunk);
  // Whether the message may come: one for an upload that the session has is free, another asks the
  // files service whether there is such an upload, and counts. Refuses it as RATE_LIMITED if not.
  bool Admit(Session& session, const ClientMessage& message, std::string_view upload_id);
  // The session's upload, made if it has none; null if that was refused.
  std::shared_ptr<EdgeUpload> Find(Session& session, const ClientMessage& message,
                                   std::string_view upload_id);

  FilesGateway& gateway_;
  EdgeThread* thread_ = nullptr;
  UploadCounters counters_;
  std::map<Session*, SessionUploads> sessions_;
};

}  // namespace covet::edge
