#include "services/rpc/link_service.h"

#include <memory>
#include <optional>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "common/errors/error.h"
#include "services/rpc/edge_calls.h"

namespace covet::rpc {
namespace {

using Reactor = grpc::ServerBidiReactor<v1::EdgeFrame, v1::ServiceFrame>;

constexpr char kMethod[] = "/covet.rpc.v1.RpcLinkService/Connect";

// One link. Frames are dealt with where gRPC reads them; results are written by whoever ends a
// call. gRPC is called without the lock, for it may react from inside; `busy_` holds Finish off
// meanwhile.
class Link final : public Reactor, public std::enable_shared_from_this<Link> {
 public:
  Link(const server::CallTools& tools, grpc::CallbackServerContext* context)
      : scope_(tools, context, kMethod) {}

  void Start(Calls& calls, const std::string& incarnation) {
    self_ = shared_from_this();
    if (!scope_.admission().ok()) return End(scope_.admission());
    if (!scope_.info().caller.peer) {
      return End(
          MakeError(ErrorCode::kPermissionDenied, "Links are for the edges of this deployment"));
    }
    calls_ = std::make_shared<EdgeCalls>(calls, incarnation, [weak = weak_from_this()] {
      if (const auto link = weak.lock()) link->Write();
    });
    StartSendInitialMetadata();
    StartRead(&in_);
  }

  void OnReadDone(bool ok) override {
    Enter();
    if (!ok) {
      End(absl::OkStatus());
    } else if (absl::Status status = calls_->OnFrame(in_); !status.ok()) {
      End(status);
    } else {
      Read(/*resume=*/false);
    }
    Leave();
  }
  void OnWriteDone(bool ok) override {
    Enter();
    {
      const absl::MutexLock lock(&mutex_);
      writing_ = false;
    }
    if (ok) {
      Write();
      Read(/*resume=*/true);
    } else {
      End(absl::OkStatus());
    }
    Leave();
  }
  void OnCancel() override { End(absl::CancelledError("the edge went away")); }
  void OnDone() override { self_.reset(); }

 private:
  void Enter() {
    const absl::MutexLock lock(&mutex_);
    ++busy_;
  }
  void Leave() {
    {
      const absl::MutexLock lock(&mutex_);
      --busy_;
    }
    FinishIfQuiet();
  }

  // Reads the next frame, unless too many results wait; then a write resumes it.
  void Read(bool resume) {
    const bool full = calls_->full();
    {
      const absl::MutexLock lock(&mutex_);
      if (ending_ || (resume && !read_paused_)) return;
      read_paused_ = full;
      if (full) return;
    }
    in_.Clear();
    StartRead(&in_);
  }

  // Writes what there is, unless a write is under way, whose end does it.
  void Write() {
    {
      const absl::MutexLock lock(&mutex_);
      if (ending_ || writing_ || !calls_->TakeFrame(&out_)) return;
      writing_ = true;
    }
    StartWrite(&out_);
  }

  void End(absl::Status status) {
    {
      const absl::MutexLock lock(&mutex_);
      if (ending_) return;
      ending_ = std::move(status);
    }
    if (calls_ != nullptr) calls_->Close();
    FinishIfQuiet();
  }

  void FinishIfQuiet() {
    {
      const absl::MutexLock lock(&mutex_);
      if (!ending_ || writing_ || busy_ > 0 || finished_) return;
      finished_ = true;
    }
    Finish(scope_.Finish(*ending_));
  }

  server::CallScope scope_;
  std::shared_ptr<EdgeCalls> calls_;
  std::shared_ptr<Link> self_;  // Until OnDone.
  v1::EdgeFrame in_;
  v1::ServiceFrame out_;
  absl::Mutex mutex_;
  int busy_ ABSL_GUARDED_BY(mutex_) = 0;
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool read_paused_ ABSL_GUARDED_BY(mutex_) = false;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
  std::optional<absl::Status> ending_;  // Written once, under the lock.
};

}  // namespace

Reactor* LinkService::Connect(grpc::CallbackServerContext* context) {
  const auto link = std::make_shared<Link>(tools_, context);
  link->Start(calls_, incarnation_);
  return link.get();
}

}  // namespace covet::rpc
