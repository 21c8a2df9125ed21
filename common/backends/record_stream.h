#pragma once

#include <grpcpp/client_context.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/client_callback.h>

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "common/backends/backend.h"
#include "common/backends/unary_call.h"

namespace covet::backends {

// A server-streaming call. Keeps itself alive until it is over.
class RecordStream final : public BackendStream,
                           public grpc::ClientBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>,
                           public std::enable_shared_from_this<RecordStream> {
 public:
  // Runs once, last, when nothing of the stream uses the channel any more.
  using Ended = std::function<void(const grpc::Status& status)>;

  RecordStream(CallHost* host, MethodRef method, std::string_view request,
               const CallOptions& options, StreamReader* reader, Ended ended);
  void Start();

  void Next() override;
  void Cancel() override;

  void OnReadInitialMetadataDone(bool ok) override;
  void OnReadDone(bool ok) override;
  void OnDone(const grpc::Status& status) override;

 private:
  // Lets gRPC end the call once nothing is under way.
  void Release() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  CallHost* const host_;
  const MethodRef method_;
  grpc::ByteBuffer request_;
  grpc::ByteBuffer record_;
  StreamReader* const reader_;
  Ended ended_;
  absl::Status problem_;  // Of a record that could not be read.
  std::mutex mutex_;
  std::unique_ptr<grpc::ClientContext> context_ ABSL_GUARDED_BY(mutex_);
  bool started_ ABSL_GUARDED_BY(mutex_) = false;
  bool reading_ ABSL_GUARDED_BY(mutex_) = false;
  bool cancelled_ ABSL_GUARDED_BY(mutex_) = false;
  // Next may come from anywhere, so the call is held until it is known to be over.
  bool held_ ABSL_GUARDED_BY(mutex_) = true;
  std::shared_ptr<RecordStream> self_;
};

}  // namespace covet::backends
