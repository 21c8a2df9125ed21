#pragma once

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/support/client_callback.h>

#include <memory>
#include <string_view>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "common/logging/log.h"
#include "edge/link/link_wire.h"

namespace covet::edge {

// A link's stream over gRPC: `Connect` of `Service`. `Client` is the link's end at the edge.
template <typename Service, typename UpFrame, typename DownFrame, typename Client>
class GrpcLinkWire final : public LinkWire<UpFrame> {
 public:
  // `channel` is kept open; the peer's token must be in it. `name` is a literal, for logs.
  GrpcLinkWire(std::string_view name, std::shared_ptr<grpc::Channel> channel)
      : name_(name), stub_(Service::NewStub(std::move(channel))) {}

  ~GrpcLinkWire() override { Shutdown(); }

  // Whom to tell. Once, before the first Connect; `client` is told nothing after Shutdown.
  void Bind(Client* client) { client_ = client; }

  void Connect(uint64_t number) override {
    auto* stream = new Stream(*this);  // Deletes itself in OnDone.
    {
      const absl::MutexLock lock(&mutex_);
      number_ = number;
      stream_ = stream;
      ++open_;
    }
    stream->Start(*stub_);
  }

  void Write(uint64_t number, UpFrame frame) override {
    if (Stream* stream = Hold(number)) {
      stream->Send(std::move(frame));
      stream->RemoveHold();
    }
  }

  void Cancel(uint64_t number) override {
    if (Stream* stream = Hold(number)) {
      stream->Cancel();
      stream->RemoveHold();
    }
  }

  // Ends the stream and blocks until nothing of it runs any more. Not on a gRPC thread.
  void Shutdown() {
    uint64_t number;
    {
      const absl::MutexLock lock(&mutex_);
      number = number_;
    }
    Cancel(number);
    const absl::MutexLock lock(&mutex_);
    mutex_.Await(absl::Condition(
        +[](int* open) { return *open == 0; }, &open_));
  }

 private:
  // One stream. It ends itself in OnDone; the hold keeps it until then although writes come from
  // any thread.
  class Stream final : public grpc::ClientBidiReactor<UpFrame, DownFrame> {
   public:
    explicit Stream(GrpcLinkWire& wire) : wire_(wire) {}

    void Start(typename Service::Stub& stub) {
      stub.async()->Connect(&context_, this);
      AddHold();
      this->StartRead(&in_);
      this->StartCall();
    }

    void Send(UpFrame frame) {
      out_ = std::move(frame);
      this->StartWrite(&out_);
    }
    void Cancel() { context_.TryCancel(); }
    using grpc::ClientBidiReactor<UpFrame, DownFrame>::AddHold;
    using grpc::ClientBidiReactor<UpFrame, DownFrame>::RemoveHold;

    void OnReadInitialMetadataDone(bool ok) override {
      if (ok) wire_.client_->OnUp();
    }
    void OnReadDone(bool ok) override {
      if (!ok) return wire_.LetGo(this);
      wire_.client_->OnFrame(std::move(in_));
      in_.Clear();
      this->StartRead(&in_);
    }
    void OnWriteDone(bool ok) override {
      if (ok) wire_.client_->OnWritten();
    }
    void OnDone(const grpc::Status& status) override {
      GrpcLinkWire& wire = wire_;
      log::Warning("link_down", {{"link", wire.name_},
                                 {"code", static_cast<int>(status.error_code())},
                                 {"error", status.error_message()}});
      wire.client_->OnDown();
      delete this;
      wire.NoteDone();
    }

   private:
    GrpcLinkWire& wire_;
    grpc::ClientContext context_;
    DownFrame in_;
    UpFrame out_;
  };

  // The stream, if it still is that one, kept from ending: gRPC may answer from inside a call, so
  // none is made under the lock.
  Stream* Hold(uint64_t number) {
    const absl::MutexLock lock(&mutex_);
    if (stream_ == nullptr || number_ != number) return nullptr;
    stream_->AddHold();
    return stream_;
  }

  // Nothing is written to the stream from here on.
  void LetGo(Stream* stream) {
    {
      const absl::MutexLock lock(&mutex_);
      if (stream_ == stream) stream_ = nullptr;
    }
    stream->RemoveHold();
  }

  void NoteDone() {
    const absl::MutexLock lock(&mutex_);
    --open_;
  }

  const std::string_view name_;
  const std::unique_ptr<typename Service::Stub> stub_;
  Client* client_ = nullptr;
  absl::Mutex mutex_;
  Stream* stream_ ABSL_GUARDED_BY(mutex_) = nullptr;
  uint64_t number_ ABSL_GUARDED_BY(mutex_) = 0;
  int open_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace covet::edge
