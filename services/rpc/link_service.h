#pragma once

#include <string>

#include "common/server/call.h"
#include "covet/rpc/v1/link.grpc.pb.h"
#include "services/rpc/calls.h"

namespace covet::rpc {

// The service's end of its links: for peers only. All must outlive the gRPC server.
class LinkService final : public v1::RpcLinkService::CallbackService {
 public:
  LinkService(const server::CallTools& tools, Calls& calls, std::string incarnation)
      : tools_(tools), calls_(calls), incarnation_(std::move(incarnation)) {}

  grpc::ServerBidiReactor<v1::EdgeFrame, v1::ServiceFrame>* Connect(
      grpc::CallbackServerContext* context) override;

 private:
  const server::CallTools& tools_;
  Calls& calls_;
  const std::string incarnation_;
};

}  // namespace covet::rpc
