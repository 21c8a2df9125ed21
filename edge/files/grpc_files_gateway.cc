#include "edge/files/grpc_files_gateway.h"

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/support/client_callback.h>

#include <atomic>
#include <chrono>
#include <deque>
#include <mutex>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "common/auth/grpc_authenticator.h"
#include "common/errors/grpc_errors.h"
#include "covet/files/v1/files.grpc.pb.h"
#include "edge/transport/edge_thread.h"

namespace covet::edge {
namespace {

using files::v1::DownloadRequest;
using files::v1::DownloadResponse;
using files::v1::File;
using files::v1::FileService;
using files::v1::GetRequest;
using files::v1::UploadRequest;
using files::v1::UploadResponse;

// How long a service that restarts is waited for: longer than a channel's longest pause between
// attempts to connect.
constexpr std::chrono::milliseconds kPatience(4'000);

// Counts the calls that have not ended.
class OpenCalls {
 public:
  void Begin() {
    const absl::MutexLock lock(&mutex_);
    ++open_;
  }
  void End() {
    const absl::MutexLock lock(&mutex_);
    --open_;
  }
  void Wait() {
    const absl::MutexLock lock(&mutex_);
    mutex_.Await(absl::Condition(
        +[](int* open) { return *open == 0; }, &open_));
  }

 private:
  absl::Mutex mutex_;
  int open_ ABSL_GUARDED_BY(mutex_) = 0;
};

// Lives until OnDone has run and nobody holds it. The hold keeps the call from ending while writes
// come from the edge thread; it goes with the last read.
class Upload final : public grpc::ClientBidiReactor<UploadRequest, UploadResponse>,
                     public UploadStream,
                     public std::enable_shared_from_this<Upload> {
 public:
  Upload(EdgeThread& thread, std::weak_ptr<UploadListener> listener, OpenCalls& calls)
      : thread_(thread), listener_(std::move(listener)), calls_(calls) {}

  void Start(FileService::Stub& stub, const common::v1::Identity& identity) {
    auth::SpeakFor(identity, &context_);
    context_.set_wait_for_ready(true);
    stub.async()->Upload(&context_, this);
    calls_.Begin();
    self_ = shared_from_this();
    AddHold();
    StartRead(&in_);
    StartCall();
    // A deadline would end the upload too.
    thread_.RunAfter(kPatience, [weak = weak_from_this()] {
      const auto self = weak.lock();
      if (self && !self->reached_) self->context_.TryCancel();
    });
  }

  void OnReadInitialMetadataDone(bool ok) override { reached_ = ok; }

  void Send(UploadRequest request) override {
    const UploadRequest* next;
    {
      const std::lock_guard lock(mutex_);
      if (!open_) return;
      out_.push_back(std::move(request));
      if (std::exchange(writing_, true)) return;
      next = &out_.front();
      AddHold();
    }
    // Not under the lock: gRPC may answer from inside.
    StartWrite(next);
    RemoveHold();
  }

  void Cancel() override {
    listener_.reset();
    context_.TryCancel();
  }

  void OnReadDone(bool ok) override {
    if (!ok) {
      {
        const std::lock_guard lock(mutex_);
        open_ = false;
      }
      return RemoveHold();
    }
    thread_.Post([self = shared_from_this(), response = std::move(in_)]() mutable {
      if (auto listener = self->listener_.lock()) listener->OnResponse(std::move(response));
    });
    in_.Clear();
    StartRead(&in_);
  }

  void OnWriteDone(bool ok) override {
    const UploadRequest* next;
    {
      const std::lock_guard lock(mutex_);
      out_.pop_front();
      if (!ok || !open_) out_.clear();
      if (out_.empty()) {
        writing_ = false;
        return;
      }
      next = &out_.front();
    }
    StartWrite(next);
  }

  void OnDone(const grpc::Status& status) override {
    thread_.Post([self = shared_from_this(), status = FromGrpcStatus(status)] {
      if (auto listener = self->listener_.lock()) listener->OnEnd(status);
    });
    OpenCalls& calls = calls_;
    self_.reset();
    calls.End();
  }

 private:
  EdgeThread& thread_;
  std::weak_ptr<UploadListener> listener_;  // On the edge thread.
  OpenCalls& calls_;
  grpc::ClientContext context_;
  std::atomic<bool> reached_{false};  // The service has the call.
  std::shared_ptr<Upload> self_;
  UploadResponse in_;
  std::mutex mutex_;
  // The first is being written if `writing_`. References to elements survive push_back.
  std::deque<UploadRequest> out_ ABSL_GUARDED_BY(mutex_);
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool open_ ABSL_GUARDED_BY(mutex_) = true;
};

// One read is under way while somebody waits for it. gRPC's reactions only post; everything else
// happens on the edge thread.
class Download final : public grpc::ClientReadReactor<DownloadResponse>,
                       public FileBody,
                       public std::enable_shared_from_this<Download> {
 public:
  Download(EdgeThread& thread, OpenCalls& calls) : thread_(thread), calls_(calls) {}

  void Start(FileService::Stub& stub, DownloadRequest request) {
    request_ = std::move(request);
    stub.async()->Download(&context_, &request_, this);
    calls_.Begin();
    self_ = shared_from_this();
    AddHold();
    StartCall();
  }

  void Read(std::function<void(absl::StatusOr<std::string>)> done) override {
    done_ = std::move(done);
    if (end_) return Later();
    StartRead(&in_);
  }

  void Cancel() override {
    done_ = nullptr;
    context_.TryCancel();
    Release();
  }

  void OnReadDone(bool ok) override {
    thread_.Post([self = shared_from_this(), ok] { self->HandleRead(ok); });
  }
  void OnDone(const grpc::Status& status) override {
    thread_.Post([self = shared_from_this(), status = FromGrpcStatus(status)] {
      self->end_ = status;
      self->TellEnd();
    });
    OpenCalls& calls = calls_;
    self_.reset();
    calls.End();
  }

 private:
  void HandleRead(bool ok) {
    // OnDone tells the rest.
    if (!ok || done_ == nullptr) return Release();
    if (in_.data().empty()) {
      in_.Clear();
      return StartRead(&in_);
    }
    std::string data = std::move(*in_.mutable_data());
    in_.Clear();
    std::exchange(done_, nullptr)(std::move(data));
  }

  void TellEnd() {
    if (done_ == nullptr) return;
    std::exchange(done_, nullptr)(end_->ok() ? absl::StatusOr<std::string>("")
                                             : absl::StatusOr<std::string>(*end_));
  }
  void Later() {
    thread_.Post([self = shared_from_this()] { self->TellEnd(); });
  }
  void Release() {
    if (!std::exchange(released_, true)) RemoveHold();
  }

  EdgeThread& thread_;
  OpenCalls& calls_;
  grpc::ClientContext context_;
  std::shared_ptr<Download> self_;
  DownloadRequest request_;
  DownloadResponse in_;
  std::function<void(absl::StatusOr<std::string>)> done_;
  std::optional<absl::Status> end_;
  bool released_ = false;
};

class Gateway final : public GrpcFilesGateway {
 public:
  explicit Gateway(std::shared_ptr<grpc::Channel> channel)
      : stub_(FileService::NewStub(std::move(channel))) {}
  ~Gateway() override { Shutdown(); }

  std::shared_ptr<UploadStream> OpenUpload(EdgeThread& thread, const common::v1::Identity& identity,
                                           std::weak_ptr<UploadListener> listener) override {
    auto upload = std::make_shared<Upload>(thread, std::move(listener), calls_);
    upload->Start(*stub_, identity);
    return upload;
  }

  void GetByLink(EdgeThread& thread, const std::string& file_id, const files::v1::LinkProof& link,
                 std::function<void(absl::StatusOr<File>)> done) override {
    struct Call {
      grpc::ClientContext context;
      GetRequest request;
      File file;
    };
    auto call = std::make_shared<Call>();
    call->context.set_deadline(std::chrono::system_clock::now() + kPatience);
    call->context.set_wait_for_ready(true);
    call->request.set_file_id(file_id);
    call->request.set_payload_format(common::v1::PAYLOAD_FORMAT_JSON);
    *call->request.mutable_link() = link;
    calls_.Begin();
    stub_->async()->Get(&call->context, &call->request, &call->file,
                        [this, &thread, call, done = std::move(done)](const grpc::Status& status) {
                          absl::StatusOr<File> result =
                              status.ok() ? absl::StatusOr<File>(std::move(call->file))
                                          : FromGrpcStatus(status);
                          thread.Post([done, result = std::move(result)] { done(result); });
                          calls_.End();
                        });
  }

  std::shared_ptr<FileBody> Open(EdgeThread& thread, const std::string& file_id, int64_t offset,
                                 int64_t length) override {
    DownloadRequest request;
    request.set_file_id(file_id);
    request.set_offset(offset);
    request.set_length(length);
    auto download = std::make_shared<Download>(thread, calls_);
    download->Start(*stub_, std::move(request));
    return download;
  }

  void Shutdown() override { calls_.Wait(); }

 private:
  OpenCalls calls_;
  const std::unique_ptr<FileService::Stub> stub_;
};

}  // namespace

std::unique_ptr<GrpcFilesGateway> MakeGrpcFilesGateway(std::shared_ptr<grpc::Channel> channel) {
  return std::make_unique<Gateway>(std::move(channel));
}

}  // namespace covet::edge
