#pragma once

#include <memory>

#include "edge/files/files_gateway.h"

namespace grpc {
class Channel;
}

namespace covet::edge {

// FilesGateway over covet.files.v1.FileService.
class GrpcFilesGateway : public FilesGateway {
 public:
  // Blocks until nothing runs any more. All uploads and downloads have been cancelled. Not on a
  // gRPC thread.
  virtual void Shutdown() = 0;
};

// `channel` is kept open; the peer's token must be in it.
std::unique_ptr<GrpcFilesGateway> MakeGrpcFilesGateway(std::shared_ptr<grpc::Channel> channel);

}  // namespace covet::edge
