#include "services/files/upload_call.h"

#include <deque>
#include <memory>
#include <optional>
#include <utility>

#include "services/files/domain/errors.h"

namespace covet::files {
namespace {

using Reactor = grpc::ServerBidiReactor<v1::UploadRequest, v1::UploadResponse>;

// gRPC's reactions only post: everything happens on the core's executor, so nothing here needs a
// lock. A caller that has more under way than its window is not read, whatever it was told.
//
// Answers are not bounded of their own: each answers a message that was read, and reading stops
// while kMaxAnswers of them wait.
class UploadCall final : public Reactor, public Uploader {
 public:
  UploadCall(const server::CallTools& tools, grpc::CallbackServerContext* context,
             Executor& executor, FilesCore& core)
      : scope_(tools, context, "/covet.files.v1.FileService/Upload"),
        executor_(executor),
        core_(core) {}

  void Start() {
    absl::Status status = scope_.admission();
    if (status.ok() && scope_.info().caller.identity.user_id().empty()) {
      status = PermissionDenied("file:upload", "a user's behalf");
    }
    if (!status.ok()) {
      finished_ = true;
      return Finish(scope_.Finish(status));
    }
    StartSendInitialMetadata();
    scope_.OnCredentialEnd([&executor = executor_, call = std::weak_ptr(self_)](const auto& over) {
      executor.Post([call, over] {
        if (const auto self = call.lock()) (*self)->Expire(over);
      });
    });
    executor_.Post([this] {
      id_ = core_.Attach(
          this, std::make_shared<const common::v1::Identity>(scope_.info().caller.identity),
          scope_.info().correlation_id);
      Read();
    });
  }

  // Reactions of gRPC's.
  void OnReadDone(bool ok) override {
    executor_.Post([this, ok] { HandleRead(ok); });
  }
  void OnWriteDone(bool ok) override {
    executor_.Post([this, ok] {
      writing_ = false;
      if (!out_.empty()) out_.pop_front();
      if (ok) {
        Write();
        Read();
      } else {
        GiveUp();
      }
    });
  }
  void OnCancel() override {
    executor_.Post([this] { GiveUp(); });
  }
  // Behind whatever was posted before.
  void OnDone() override {
    executor_.Post([this] { delete this; });
  }

  // Uploader.
  void Send(v1::UploadResponse response) override {
    if (ending_) return;
    out_.push_back(std::move(response));
    Write();
  }
  void End(absl::Status status) override {
    if (!ending_) ending_ = std::move(status);
    Write();
  }
  void Release(int64_t bytes) override {
    under_way_ -= bytes;
    Read();
    CloseIfDone();
  }

 private:
  static constexpr size_t kMaxAnswers = 256;

  ~UploadCall() override = default;

  // Reads on if the caller may send more.
  void Read() {
    // Two chunks beyond the window are on their way from one that obeys it.
    const int64_t limit = core_.options().window_bytes + 2 * core_.options().max_chunk_bytes;
    if (reading_ || closed_ || ending_ || finished_ || under_way_ > limit ||
        out_.size() > kMaxAnswers) {
      return;
    }
    reading_ = true;
    StartRead(&in_);
  }

  void HandleRead(bool ok) {
    reading_ = false;
    if (ending_ || finished_) return;
    if (!ok) {
      closed_ = true;
      return CloseIfDone();
    }
    under_way_ += static_cast<int64_t>(in_.chunk().data().size());
    core_.OnRequest(id_, std::move(in_));
    in_.Clear();
    Read();
  }

  // Later: the core is in the middle of something.
  void CloseIfDone() {
    if (!closed_ || under_way_ > 0) return;
    executor_.Post([this] { core_.CloseSending(id_); });
  }

  void Write() {
    if (writing_ || finished_) return;
    if (!out_.empty()) {
      writing_ = true;
      return StartWrite(&out_.front());
    }
    if (!ending_) return;
    finished_ = true;
    Finish(scope_.Finish(*ending_));
  }

  void GiveUp() {
    if (finished_) return;
    core_.Detach(id_);
    finished_ = true;
    Finish(scope_.Finish(absl::CancelledError("the caller went away")));
  }

  // The caller's credential has ended: what is not being written yet is not written any more.
  void Expire(const absl::Status& status) {
    if (finished_) return;
    core_.Detach(id_);
    ending_ = status;
    while (out_.size() > (writing_ ? 1u : 0u)) out_.pop_back();
    Write();
  }

  server::CallScope scope_;
  Executor& executor_;
  FilesCore& core_;
  FilesCore::UploaderId id_ = 0;
  v1::UploadRequest in_;
  std::deque<v1::UploadResponse> out_;  // The first is being written if `writing_`.
  int64_t under_way_ = 0;               // Bytes of chunks that the core has.
  bool reading_ = false;
  bool closed_ = false;  // The caller sends nothing more.
  bool writing_ = false;
  bool finished_ = false;
  std::optional<absl::Status> ending_;
  // For what may come after this has gone, on the executor.
  const std::shared_ptr<UploadCall*> self_ = std::make_shared<UploadCall*>(this);
};

}  // namespace

Reactor* StartUploadCall(const server::CallTools& tools, grpc::CallbackServerContext* context,
                         Executor& executor, FilesCore& core) {
  auto* call = new UploadCall(tools, context, executor, core);  // Deletes itself in OnDone.
  call->Start();
  return call;
}

}  // namespace covet::files
