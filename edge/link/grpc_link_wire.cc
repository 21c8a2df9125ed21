#include "edge/link/grpc_link_wire.h"

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/support/client_callback.h>

#include <atomic>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "common/logging/log.h"
#include "covet/rooms/v1/link.grpc.pb.h"

namespace covet::edge {
namespace {

using rooms::v1::EdgeFrame;
using rooms::v1::OwnerFrame;
using rooms::v1::RoomLinkService;

class Wire;

// One stream. It ends itself in OnDone; the hold keeps it until then although writes come from any
// thread.
class Stream final : public grpc::ClientBidiReactor<EdgeFrame, OwnerFrame> {
 public:
  Stream(Wire& wire, LinkClient& client) : wire_(wire), client_(client) {}

  void Start(RoomLinkService::Stub& stub) {
    stub.async()->Connect(&context_, this);
    AddHold();
    StartRead(&in_);
    StartCall();
  }

  void Send(EdgeFrame frame) {
    out_ = std::move(frame);
    writing_ = true;
    StartWrite(&out_);
    if (read_ended_) context_.TryCancel();
  }
  void Cancel() { context_.TryCancel(); }
  using ClientBidiReactor::AddHold;
  using ClientBidiReactor::RemoveHold;

  void OnReadInitialMetadataDone(bool ok) override {
    if (ok) client_.OnUp();
  }
  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override {
    writing_ = false;
    if (ok) client_.OnWritten();
  }
  void OnDone(const grpc::Status&) override;

 private:
  Wire& wire_;
  LinkClient& client_;
  grpc::ClientContext context_;
  OwnerFrame in_;
  EdgeFrame out_;
  // A write that finds the server done need not end by itself, and would keep the stream: whichever
  // of the two comes second cancels. Else the server's status is worth waiting for.
  std::atomic<bool> writing_{false};
  std::atomic<bool> read_ended_{false};
};

class Wire final : public GrpcLinkWire {
 public:
  explicit Wire(std::shared_ptr<grpc::Channel> channel)
      : stub_(RoomLinkService::NewStub(std::move(channel))) {}

  ~Wire() override { Shutdown(); }

  void Bind(LinkClient* client) override { client_ = client; }

  void Connect(uint64_t number) override {
    auto* stream = new Stream(*this, *client_);  // Deletes itself in OnDone.
    {
      const absl::MutexLock lock(&mutex_);
      number_ = number;
      stream_ = stream;
      ++open_;
    }
    stream->Start(*stub_);
  }

  void Write(uint64_t number, EdgeFrame frame) override {
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

  void Shutdown() override {
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
  // The stream, if it still is that one, kept from ending: gRPC may answer from inside a call, so
  // none is made under the lock.
  Stream* Hold(uint64_t number) {
    const absl::MutexLock lock(&mutex_);
    if (stream_ == nullptr || number_ != number) return nullptr;
    stream_->AddHold();
    return stream_;
  }

  const std::unique_ptr<RoomLinkService::Stub> stub_;
  LinkClient* client_ = nullptr;
  absl::Mutex mutex_;
  Stream* stream_ ABSL_GUARDED_BY(mutex_) = nullptr;
  uint64_t number_ ABSL_GUARDED_BY(mutex_) = 0;
  int open_ ABSL_GUARDED_BY(mutex_) = 0;
};

void Stream::OnReadDone(bool ok) {
  if (!ok) {
    read_ended_ = true;
    if (writing_) context_.TryCancel();
    return wire_.LetGo(this);
  }
  client_.OnFrame(std::move(in_));
  in_.Clear();
  StartRead(&in_);
}

void Stream::OnDone(const grpc::Status& status) {
  Wire& wire = wire_;
  log::Warning("link_down", {{"code", static_cast<int>(status.error_code())},
                             {"error", status.error_message()}});
  client_.OnDown();
  delete this;
  wire.NoteDone();
}

}  // namespace

std::unique_ptr<GrpcLinkWire> MakeGrpcLinkWire(std::shared_ptr<grpc::Channel> channel) {
  return std::make_unique<Wire>(std::move(channel));
}

}  // namespace covet::edge
