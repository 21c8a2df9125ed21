#pragma once

#include <memory>

#include "edge/streams/stream_client.h"

namespace grpc {
class Channel;
}

namespace covet::edge {

// StreamService over gRPC, as the edge itself.
class GrpcStreamWire : public StreamWire {
 public:
  // Whom to tell. Once, before the first Open; `client` is told nothing after Shutdown.
  virtual void Bind(StreamClient* client) = 0;
  // Ends all streams and reads, and blocks until nothing of them runs any more. Calls after it do
  // nothing. Not on a gRPC thread.
  virtual void Shutdown() = 0;
};

// `channel` is kept open; the peer's token must be in it.
std::unique_ptr<GrpcStreamWire> MakeGrpcStreamWire(std::shared_ptr<grpc::Channel> channel);

}  // namespace covet::edge
