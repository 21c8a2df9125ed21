#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "edge/rooms/link_client.h"
#include "edge/rooms/thread_rooms.h"
#include "services/rooms/domain/edges.h"
#include "tests/simulation/kernel.h"

namespace covet::sim {

class World;

// One stream between an edge and the owner: frames arrive in order, each after a random delay,
// until it is cut. Then what is under way is lost, and the ends hear of it at their own times.
class SimWire final : public edge::RoomsWire {
 public:
  explicit SimWire(World& world) : world_(world) {}
  ~SimWire() override;

  void Bind(edge::LinkClient* client) { client_ = client; }
  void Connect(uint64_t stream) override;
  void Write(uint64_t stream, rooms::v1::EdgeFrame frame) override;
  void Cancel(uint64_t) override { Cut(); }
  void Cut();

 private:
  struct Stream;
  class OwnerEnd;

  World& world_;
  edge::LinkClient* client_ = nullptr;
  std::shared_ptr<Stream> stream_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

// An edge's process: threads, and the link that they share.
class SimEdge final : public edge::LinkDispatcher {
 public:
  SimEdge(World& world, int threads, int64_t credit_bytes);
  ~SimEdge() override;

  struct EdgeThread {
    std::unique_ptr<Thread> thread;
    std::unique_ptr<edge::ThreadRooms> rooms;
  };
  EdgeThread& RandomThread();
  void CutLink() { wire_.Cut(); }
  void Dispatch(std::shared_ptr<const edge::LinkBatch> batch) override;

 private:
  void Tick();

  World& world_;
  SimWire wire_;
  edge::LinkClient link_;
  std::vector<EdgeThread> threads_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace covet::sim
