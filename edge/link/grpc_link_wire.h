#pragma once

#include <memory>

#include "edge/rooms/link_client.h"

namespace grpc {
class Channel;
}

namespace covet::edge {

// The link's stream over gRPC: RoomLinkService.Connect.
class GrpcLinkWire : public LinkWire {
 public:
  // Whom to tell. Once, before the first Connect; `client` is told nothing after Shutdown.
  virtual void Bind(LinkClient* client) = 0;
  // Ends the stream and blocks until nothing of it runs any more. Not on a gRPC thread.
  virtual void Shutdown() = 0;
};

// `channel` is kept open; the peer's token must be in it.
std::unique_ptr<GrpcLinkWire> MakeGrpcLinkWire(std::shared_ptr<grpc::Channel> channel);

}  // namespace covet::edge
