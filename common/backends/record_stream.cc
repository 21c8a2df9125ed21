#include "common/backends/record_stream.h"

#include <chrono>
#include <utility>

#include "common/errors/error.h"
#include "common/errors/grpc_errors.h"

namespace covet::backends {

RecordStream::RecordStream(CallHost* host, MethodRef method, std::string_view request,
                           const CallOptions& options, StreamReader* reader, Ended ended)
    : host_(host),
      method_(std::move(method)),
      request_(ToBuffer(request)),
      reader_(reader),
      ended_(std::move(ended)),
      context_(std::make_unique<grpc::ClientContext>()) {
  if (options.timeout_ms != 0) {
    context_->set_deadline(std::chrono::system_clock::now() +
                           std::chrono::milliseconds(options.timeout_ms));
  }
  for (const auto& [key, value] : host_->configured_headers()) context_->AddMetadata(key, value);
  for (const auto& [key, value] : options.metadata) context_->AddMetadata(key, value);
}

void RecordStream::Start() {
  self_ = shared_from_this();
  grpc::ClientContext* context;
  {
    std::lock_guard lock(mutex_);
    context = context_.get();
  }
  // A server cannot tell this from a server-streaming call.
  host_->PickChannel()->stub.PrepareBidiStreamingCall(context, method_->path, grpc::StubOptions(),
                                                      this);
  AddHold();
  {
    std::lock_guard lock(mutex_);
    started_ = true;
  }
  StartWriteLast(&request_, grpc::WriteOptions());
  StartCall();
}

void RecordStream::Next() {
  std::lock_guard lock(mutex_);
  if (!held_ || reading_) return;
  reading_ = true;
  StartRead(&record_);
}

void RecordStream::Cancel() {
  std::lock_guard lock(mutex_);
  if (!context_) return;
  cancelled_ = true;
  context_->TryCancel();
  // What is cancelled before it starts is let go when its headers fail to come.
  if (started_ && !reading_) Release();
}

void RecordStream::Release() {
  if (std::exchange(held_, false)) RemoveHold();
}

void RecordStream::OnReadInitialMetadataDone(bool ok) {
  if (ok) {
    reader_->OnOpen();
    return;
  }
  std::lock_guard lock(mutex_);
  if (!reading_) Release();
}

void RecordStream::OnReadDone(bool ok) {
  {
    std::lock_guard lock(mutex_);
    reading_ = false;
    // Whoever cancelled may ask for nothing more, and so would hold the call for ever.
    if (!ok || cancelled_) {
      Release();
      return;
    }
  }
  std::string json;
  grpc::Slice slice;
  const absl::Status read =
      method_->response.WireToJson(ViewOf(record_, &slice), &json, host_->max_json_bytes());
  record_.Clear();
  if (read.ok()) {
    reader_->OnRecord(std::move(json));
    return;
  }
  problem_ = read;
  if (CodeOf(read) == ErrorCode::kInternal) host_->SchemaLooksOld();
  Cancel();
}

void RecordStream::OnDone(const grpc::Status& status) {
  const std::shared_ptr<RecordStream> self = std::move(self_);
  std::unique_ptr<grpc::ClientContext> context;
  {
    std::lock_guard lock(mutex_);
    context = std::move(context_);
  }
  context.reset();
  const Ended ended = std::move(ended_);
  ended(problem_.ok() ? status : ToGrpcStatus(problem_));
}

}  // namespace covet::backends
