#pragma once

#include <memory>

#include "common/base/id_generator.h"
#include "common/base/manual_clock.h"
#include "edge/rooms/link_client.h"
#include "edge/rpc/rpc_link.h"

namespace covet::edge {

// A link whose wire never comes up.
struct FakeLink {
  class Wire final : public RoomsWire {
   public:
    void Connect(uint64_t /*number*/) override {}
    void Write(uint64_t /*number*/, rooms::v1::EdgeFrame /*frame*/) override {}
    void Cancel(uint64_t /*number*/) override {}
  };
  class Dispatcher final : public LinkDispatcher {
   public:
    void Dispatch(std::shared_ptr<const LinkBatch> /*batch*/) override {}
  };

  ManualClock clock;
  SeededIds ids{1};
  Wire wire;
  Dispatcher dispatcher;
  LinkClient client{LinkOptions{}, clock, ids, wire, dispatcher};
};

// The same to rpc.
struct FakeRpcLink {
  class Wire final : public RpcWire {
   public:
    void Connect(uint64_t /*number*/) override {}
    void Write(uint64_t /*number*/, rpc::v1::EdgeFrame /*frame*/) override {}
    void Cancel(uint64_t /*number*/) override {}
  };
  class Dispatcher final : public RpcDispatcher {
   public:
    void Dispatch(uint32_t /*thread*/, std::shared_ptr<RpcResults> /*results*/) override {}
  };

  FakeRpcLink(const Clock& clock, IdGenerator& ids)
      : link(RpcLinkOptions{}, clock, ids, wire, dispatcher) {}

  Wire wire;
  Dispatcher dispatcher;
  RpcLink link;
};

}  // namespace covet::edge
