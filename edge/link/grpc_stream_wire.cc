#include "edge/link/grpc_stream_wire.h"

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/support/client_callback.h>

#include <chrono>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/synchronization/mutex.h"
#include "common/auth/metadata_keys.h"
#include "common/errors/grpc_errors.h"
#include "covet/streams/v1/streams.grpc.pb.h"

namespace covet::edge {
namespace {

using streams::v1::GetHistoryRequest;
using streams::v1::GetHistoryResponse;
using streams::v1::StreamService;
using streams::v1::SubscribeRequest;
using streams::v1::SubscribeResponse;

constexpr std::chrono::seconds kReadDeadline(5);

// Whoever proves to be a peer may speak for a user.
void SpeakFor(const std::string& identity, grpc::ClientContext& context) {
  if (!identity.empty()) context.AddMetadata(auth::kIdentityKey, identity);
}

class Wire;

// One Subscribe. It deletes itself in OnDone; the hold keeps it until then although reads are asked
// for from any thread.
class Stream final : public grpc::ClientReadReactor<SubscribeResponse> {
 public:
  Stream(Wire& wire, StreamClient& client, uint64_t number, SubscribeRequest request,
         const std::string& identity)
      : wire_(wire), client_(client), number_(number), request_(std::move(request)) {
    SpeakFor(identity, context_);
  }

  void Start(StreamService::Stub& stub) {
    stub.async()->Subscribe(&context_, &request_, this);
    AddHold();
    StartRead(&in_);
    StartCall();
  }
  void ReadOn() { StartRead(&in_); }
  void Cancel() { context_.TryCancel(); }
  using ClientReadReactor::AddHold;
  using ClientReadReactor::RemoveHold;

  void OnReadDone(bool ok) override;
  void OnDone(const grpc::Status& status) override;

 private:
  Wire& wire_;
  StreamClient& client_;
  const uint64_t number_;
  const SubscribeRequest request_;
  grpc::ClientContext context_;
  SubscribeResponse in_;
};

// One GetHistory.
struct HistoryRead {
  grpc::ClientContext context;
  GetHistoryRequest request;
  GetHistoryResponse response;
  std::function<void(absl::Status, GetHistoryResponse)> done;
};

class Wire final : public GrpcStreamWire {
 public:
  explicit Wire(std::shared_ptr<grpc::Channel> channel)
      : stub_(StreamService::NewStub(std::move(channel))) {}

  ~Wire() override { Shutdown(); }

  void Bind(StreamClient* client) override { client_ = client; }

  void Open(uint64_t number, SubscribeRequest request, const std::string& identity) override {
    auto* stream =
        new Stream(*this, *client_, number, std::move(request), identity);  // See OnDone.
    {
      const absl::MutexLock lock(&mutex_);
      if (shut_) {
        delete stream;
        return;
      }
      streams_.emplace(number, Entry{stream, true});
      ++open_;
    }
    stream->Start(*stub_);
  }

  void ReadOn(uint64_t number) override {
    Stream* stream = nullptr;
    {
      const absl::MutexLock lock(&mutex_);
      const auto it = streams_.find(number);
      if (it == streams_.end() || std::exchange(it->second.reading, true)) return;
      stream = it->second.stream;
      stream->AddHold();
    }
    stream->ReadOn();
    stream->RemoveHold();
  }

  void Cancel(uint64_t number) override {
    Stream* stream = nullptr;
    bool reading = false;
    {
      const absl::MutexLock lock(&mutex_);
      const auto it = streams_.find(number);
      if (it == streams_.end()) return;
      stream = it->second.stream;
      reading = it->second.reading;
      stream->AddHold();
    }
    stream->Cancel();
    // A read that is under way ends it; without one nothing else would.
    if (!reading) LetGo(number);
    stream->RemoveHold();
  }

  void Read(GetHistoryRequest request, const std::string& identity,
            std::function<void(absl::Status, GetHistoryResponse)> done) override {
    const auto read = std::make_shared<HistoryRead>();
    SpeakFor(identity, read->context);
    read->request = std::move(request);
    read->done = std::move(done);
    read->context.set_deadline(std::chrono::system_clock::now() + kReadDeadline);
    {
      const absl::MutexLock lock(&mutex_);
      if (shut_) return;
      reads_.insert(read);
      ++open_;
    }
    stub_->async()->GetHistory(&read->context, &read->request, &read->response,
                               [this, read](const grpc::Status& status) {
                                 {
                                   const absl::MutexLock lock(&mutex_);
                                   reads_.erase(read);
                                 }
                                 read->done(FromGrpcStatus(status), std::move(read->response));
                                 NoteDone();
                               });
  }

  // A read of the stream is done.
  void NoteRead(uint64_t number) {
    const absl::MutexLock lock(&mutex_);
    const auto it = streams_.find(number);
    if (it != streams_.end()) it->second.reading = false;
  }

  // Nothing is asked of the stream from here on.
  void LetGo(uint64_t number) {
    Stream* stream = nullptr;
    {
      const absl::MutexLock lock(&mutex_);
      const auto it = streams_.find(number);
      if (it == streams_.end()) return;
      stream = it->second.stream;
      streams_.erase(it);
    }
    stream->RemoveHold();
  }

  void NoteDone() {
    const absl::MutexLock lock(&mutex_);
    --open_;
  }

  void Shutdown() override {
    std::vector<uint64_t> numbers;
    std::vector<std::shared_ptr<HistoryRead>> reads;
    {
      const absl::MutexLock lock(&mutex_);
      shut_ = true;
      for (const auto& [number, entry] : streams_) numbers.push_back(number);
      reads.assign(reads_.begin(), reads_.end());
    }
    // gRPC may answer from inside a call, so none is made under the lock.
    for (const uint64_t number : numbers) Cancel(number);
    for (const auto& read : reads) read->context.TryCancel();
    reads.clear();
    const absl::MutexLock lock(&mutex_);
    mutex_.Await(absl::Condition(
        +[](int* open) { return *open == 0; }, &open_));
  }

 private:
  struct Entry {
    Stream* stream;
    bool reading;  // A read is under way.
  };

  const std::unique_ptr<StreamService::Stub> stub_;
  StreamClient* client_ = nullptr;
  absl::Mutex mutex_;
  bool shut_ ABSL_GUARDED_BY(mutex_) = false;
  int open_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::flat_hash_map<uint64_t, Entry> streams_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_set<std::shared_ptr<HistoryRead>> reads_ ABSL_GUARDED_BY(mutex_);
};

void Stream::OnReadDone(bool ok) {
  if (!ok) return wire_.LetGo(number_);
  // The client may ask for the next message before this call returns.
  SubscribeResponse message = std::move(in_);
  in_.Clear();
  wire_.NoteRead(number_);
  client_.OnMessage(number_, std::move(message));
}

void Stream::OnDone(const grpc::Status& status) {
  Wire& wire = wire_;
  client_.OnDown(number_, FromGrpcStatus(status));
  delete this;
  wire.NoteDone();
}

}  // namespace

std::unique_ptr<GrpcStreamWire> MakeGrpcStreamWire(std::shared_ptr<grpc::Channel> channel) {
  return std::make_unique<Wire>(std::move(channel));
}

}  // namespace covet::edge
