#include "services/rooms/link_service.h"

#include <utility>

#include "common/errors/error.h"

namespace covet::rooms {
namespace {

using Reactor = grpc::ServerBidiReactor<v1::EdgeFrame, v1::OwnerFrame>;

constexpr char kMethod[] = "/covet.rooms.v1.RoomLinkService/Connect";

// One link. gRPC's reactions only post: everything happens on the core's executor, which also ends
// it, so nothing here needs a lock. The next read begins when a frame has been dealt with: a busy
// owner holds its edges back.
class Link final : public Reactor, public LinkWriter {
 public:
  Link(const server::CallTools& tools, grpc::CallbackServerContext* context, Executor& executor,
       RoomsCore& core)
      : scope_(tools, context, kMethod), executor_(executor), core_(core) {}

  void Start() {
    if (!scope_.admission().ok()) return End(scope_.admission());
    if (!scope_.info().caller.peer) {
      return End(
          MakeError(ErrorCode::kPermissionDenied, "Links are for the edges of this deployment"));
    }
    StartSendInitialMetadata();
    executor_.Post([this] {
      link_id_ = core_.OpenLink(this);
      StartRead(&in_);
    });
  }

  void OnReadDone(bool ok) override {
    executor_.Post([this, ok] { HandleRead(ok); });
  }
  void OnWriteDone(bool ok) override {
    executor_.Post([this, ok] {
      writing_ = false;
      ok ? WriteNext() : End(absl::OkStatus());
    });
  }
  void OnCancel() override {
    executor_.Post([this] { End(absl::CancelledError("the edge went away")); });
  }
  // Behind whatever was posted before.
  void OnDone() override {
    executor_.Post([this] { delete this; });
  }

  // What the executor has queued already may add more to the frame.
  void Wake() override {
    if (writing_ || std::exchange(woken_, true)) return;
    executor_.Post([this] {
      woken_ = false;
      if (!writing_) WriteNext();
    });
  }

 private:
  ~Link() override = default;

  void HandleRead(bool ok) {
    if (ended_) return;
    if (!ok) return End(absl::OkStatus());
    const absl::Status status = core_.OnEdgeFrame(link_id_, std::move(in_));
    if (!status.ok()) return End(status);
    in_.Clear();
    StartRead(&in_);
  }

  void WriteNext() {
    if (ended_ || !core_.TakeFrame(link_id_, &out_)) return;
    writing_ = true;
    StartWrite(&out_);
  }

  void End(const absl::Status& status) {
    if (std::exchange(ended_, true)) return;
    if (link_id_ != 0) core_.CloseLink(link_id_);
    Finish(scope_.Finish(status));
  }

  server::CallScope scope_;
  Executor& executor_;
  RoomsCore& core_;
  uint64_t link_id_ = 0;
  v1::EdgeFrame in_;
  v1::OwnerFrame out_;
  bool writing_ = false;
  bool woken_ = false;
  bool ended_ = false;
};

}  // namespace

Reactor* LinkService::Connect(grpc::CallbackServerContext* context) {
  auto* link = new Link(tools_, context, executor_, core_);  // Deletes itself in OnDone.
  link->Start();
  return link;
}

}  // namespace covet::rooms
