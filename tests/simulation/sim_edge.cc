#include "tests/simulation/sim_edge.h"

#include <utility>

#include "tests/simulation/world.h"

namespace covet::sim {
namespace {

constexpr int64_t kMaxDelayUs = 3'000;
constexpr int64_t kTickUs = 100'000;

}  // namespace

// Shared by both ends; each end's closures check that the stream is still whole.
struct SimWire::Stream {
  bool cut = false;
  int64_t last_up_us = 0;
  int64_t last_down_us = 0;
  uint64_t link_id = 0;
  std::weak_ptr<bool> owner_alive;
  SimOwner* owner = nullptr;
  std::unique_ptr<OwnerEnd> owner_end;
};

// Writes the owner's frames, one at a time.
class SimWire::OwnerEnd final : public rooms::LinkWriter {
 public:
  OwnerEnd(SimWire& wire, std::weak_ptr<Stream> stream)
      : kernel_(wire.world_.kernel()),
        wire_(wire),
        wire_alive_(wire.alive_),
        stream_(std::move(stream)) {}

  void Wake() override {
    if (writing_) return;
    writing_ = true;
    const auto stream = stream_.lock();
    stream->owner->thread().Post([this, weak = stream_] {
      if (const auto stream = weak.lock(); stream != nullptr && !stream->cut) WriteNext(stream);
    });
  }

 private:
  void WriteNext(const std::shared_ptr<Stream>& stream) {
    rooms::v1::OwnerFrame frame;
    if (!stream->owner->core().TakeFrame(stream->link_id, &frame)) {
      writing_ = false;
      return;
    }
    // Through bytes, as on a real wire.
    std::string bytes = frame.SerializeAsString();
    stream->last_down_us =
        std::max(stream->last_down_us, kernel_.SteadyMicros() + kernel_.Random(1, kMaxDelayUs));
    kernel_.At(stream->last_down_us, [this, weak = stream_, bytes = std::move(bytes),
                                      alive = std::weak_ptr<bool>(wire_alive_)] {
      const auto stream = weak.lock();
      if (stream == nullptr || stream->cut || alive.expired()) return;
      rooms::v1::OwnerFrame received;
      received.ParseFromString(bytes);
      wire_.client_->OnFrame(std::move(received));
      stream->owner->thread().Post([this, weak] {
        if (const auto again = weak.lock(); again != nullptr && !again->cut) WriteNext(again);
      });
    });
  }

  Kernel& kernel_;
  SimWire& wire_;
  std::shared_ptr<bool> wire_alive_;
  std::weak_ptr<Stream> stream_;
  bool writing_ = false;
};

SimWire::~SimWire() {
  *alive_ = false;
  Cut();
}

void SimWire::Connect(uint64_t) {
  Kernel& kernel = world_.kernel();
  kernel.After(kernel.Random(100, 5'000), [this, alive = std::weak_ptr<bool>(alive_)] {
    if (alive.expired()) return;
    SimOwner* owner = world_.owner();
    if (owner == nullptr || !owner->ready()) return client_->OnDown();
    stream_ = std::make_shared<Stream>();
    stream_->owner = owner;
    stream_->owner_end = std::make_unique<OwnerEnd>(*this, stream_);
    stream_->link_id = owner->core().OpenLink(stream_->owner_end.get());
    client_->OnUp();
  });
}

void SimWire::Write(uint64_t, rooms::v1::EdgeFrame frame) {
  Kernel& kernel = world_.kernel();
  const auto stream = stream_;
  if (stream == nullptr) return;  // Cut, and the edge is about to hear of it.
  std::string bytes = frame.SerializeAsString();
  stream->last_up_us =
      std::max(stream->last_up_us, kernel.SteadyMicros() + kernel.Random(1, kMaxDelayUs));
  kernel.At(
      stream->last_up_us, [this, weak = std::weak_ptr<Stream>(stream), bytes = std::move(bytes)] {
        const auto stream = weak.lock();
        if (stream == nullptr || stream->cut) return;
        stream->owner->thread().Post([this, weak, bytes, alive = std::weak_ptr<bool>(alive_)] {
          const auto stream = weak.lock();
          if (stream == nullptr || stream->cut || alive.expired()) return;
          rooms::v1::EdgeFrame received;
          received.ParseFromString(bytes);
          // An owner ends a link that it no longer knows, as after a lease has run out.
          if (!stream->owner->core().OnEdgeFrame(stream->link_id, std::move(received)).ok()) Cut();
        });
      });
  // A completed write is not a delivered one.
  kernel.After(kernel.Random(1, 500),
               [this, weak = std::weak_ptr<Stream>(stream), alive = std::weak_ptr<bool>(alive_)] {
                 const auto stream = weak.lock();
                 if (alive.expired() || stream == nullptr || stream->cut) return;
                 client_->OnWritten();
               });
}

void SimWire::Cut() {
  if (stream_ == nullptr || stream_->cut) return;
  Kernel& kernel = world_.kernel();
  stream_->cut = true;
  ++world_.statistics().cuts;
  kernel.After(kernel.Random(1, 20'000), [this, alive = std::weak_ptr<bool>(alive_)] {
    if (!alive.expired() && *alive.lock()) client_->OnDown();
  });
  // The owner hears of it in its own time, or never if it is gone; until then it writes into the
  // void.
  kernel.After(kernel.Random(1, 40'000), [&world = world_, stream = stream_] {
    if (world.owner() == stream->owner) stream->owner->core().CloseLink(stream->link_id);
  });
  stream_.reset();
}

SimEdge::SimEdge(World& world, int threads, int64_t credit_bytes)
    : world_(world),
      wire_(world),
      link_({.edge_name = "sim",
             .credit_bytes = credit_bytes,
             .max_pending_requests = 1'000,
             .max_hello_bytes = 256},
            world.kernel(), world.kernel().ids(), wire_, *this) {
  wire_.Bind(&link_);
  for (int i = 0; i < threads; ++i) {
    threads_.push_back({std::make_unique<Thread>(world.kernel(), 500),
                        std::make_unique<edge::ThreadRooms>(i, world.kernel(), link_, 3 << 10)});
  }
  link_.Start();
  Tick();
}

SimEdge::~SimEdge() { link_.Stop(); }

SimEdge::EdgeThread& SimEdge::RandomThread() {
  return threads_[world_.kernel().Random(0, static_cast<int64_t>(threads_.size()) - 1)];
}

void SimEdge::Dispatch(std::shared_ptr<const edge::LinkBatch> batch) {
  for (EdgeThread& thread : threads_) {
    thread.thread->Post([rooms = thread.rooms.get(), batch] { rooms->OnBatch(*batch); });
  }
}

void SimEdge::Tick() {
  link_.Tick();
  for (EdgeThread& thread : threads_) {
    thread.thread->Post([rooms = thread.rooms.get()] { rooms->Tick(); });
  }
  world_.kernel().After(kTickUs, [this, alive = std::weak_ptr<bool>(alive_)] {
    if (!alive.expired()) Tick();
  });
}

}  // namespace covet::sim
