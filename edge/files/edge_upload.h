#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "common/base/backoff.h"
#include "common/limits/memory_budget.h"
#include "edge/codec/client_messages.h"
#include "edge/files/files_gateway.h"
#include "edge/files/upload_counters.h"
#include "edge/session/session.h"
#include "edge/transport/edge_thread.h"

namespace covet::edge {

// One upload as one session has it: a stream to the files service, the requests that wait for its
// answers, and what the client has been told. A stream that breaks fails the requests that waited
// (UNAVAILABLE, the client sends them again) and is opened anew, so that completion and status
// still arrive.
//
// Chunks that wait are bounded by the window: while it is full the session's socket is not read.
//
// Lives on the session's thread and ends before the session.
class EdgeUpload final : public UploadListener, public std::enable_shared_from_this<EdgeUpload> {
 public:
  struct Environment {
    Session& session;
    FilesGateway& gateway;
    EdgeThread& thread;
    UploadCounters& counters;
    // Forgets the upload; it may be destroyed inside.
    std::function<void(std::string_view upload_id)> forget;
  };

  EdgeUpload(Environment environment, std::string upload_id);
  ~EdgeUpload() override;

  void Start(const ClientMessage& message, const FileUploadStartMessage& start);
  void Resume(const ClientMessage& message);
  // `data` are the raw bytes.
  void Chunk(const ClientMessage& message, const FileChunkMessage& chunk, std::string data);
  void Cancel(const ClientMessage& message);

  // UploadListener.
  void OnResponse(files::v1::UploadResponse response) override;
  void OnEnd(const absl::Status& status) override;

 private:
  enum class Kind : uint8_t { kStart, kResume, kChunk, kCancel };
  struct Pending {
    Kind kind;
    RequestTable::Token request;
    int64_t bytes = 0;
  };

  // Opens the stream if there is none, going on with the upload unless the message begins it.
  void Open(bool begins);
  int64_t Await(Kind kind, const ClientMessage& message, int64_t bytes = 0);
  // Takes what waits under this tag; false if nothing does.
  bool TakePending(int64_t tag, Request* request);
  void SendResume(int64_t tag);
  void Refuse(int64_t tag, const ErrorMessage& error);
  void RefuseAll(const ErrorMessage& error);
  void UpdateHold();
  void Reopen();
  void OnGoodEnd();
  void ForgetIfIdle();
  void TellCompleted(const files::v1::File& file, const ReplyTo* to);
  void TellStatus(std::string_view file_id, files::v1::ProcessingStatus status,
                  std::string_view details);

  const Environment env_;
  const std::string upload_id_;
  std::shared_ptr<UploadStream> stream_;
  std::map<int64_t, Pending> pending_;
  int64_t next_tag_ = 1;
  std::string correlation_id_;  // Of the last start or resume, or of what came without one.
  int64_t pending_chunks_ = 0;
  int64_t window_;
  bool held_ = false;
  bool known_ = false;      // The service has the upload.
  bool completed_ = false;  // file_upload_complete was sent.
  bool cancelled_ = false;
  files::v1::ProcessingStatus told_ = files::v1::PROCESSING_STATUS_UNSPECIFIED;
  Backoff reopen_;
  limits::MemoryCharge memory_;
};

}  // namespace covet::edge
