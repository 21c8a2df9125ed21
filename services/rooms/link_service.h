#pragma once

#include "common/base/executor.h"
#include "common/server/call.h"
#include "covet/rooms/v1/link.grpc.pb.h"
#include "services/rooms/domain/rooms_core.h"

namespace covet::rooms {

// The owner's end of its links: for peers only. All must outlive the gRPC server;
// the core lives on the executor.
class LinkService final : public v1::RoomLinkService::CallbackService {
 public:
  LinkService(const server::CallTools& tools, Executor& executor, RoomsCore& core)
      : tools_(tools), executor_(executor), core_(core) {}

  grpc::ServerBidiReactor<v1::EdgeFrame, v1::OwnerFrame>* Connect(
      grpc::CallbackServerContext* context) override;

 private:
  const server::CallTools& tools_;
  Executor& executor_;
  RoomsCore& core_;
};

}  // namespace covet::rooms
