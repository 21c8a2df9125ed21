#pragma once

#include "common/base/executor.h"
#include "common/server/call.h"
#include "covet/files/v1/files.grpc.pb.h"
#include "services/files/domain/blob_store.h"
#include "services/files/domain/files_core.h"

namespace covet::files {

// What the service works with. All outlive it.
struct ServiceTools {
  const server::CallTools& calls;
  Executor& executor;  // The core's.
  FilesCore& core;
  BlobStore& blobs;
};

// covet.files.v1.FileService over the core.
class FileService final : public v1::FileService::CallbackService {
 public:
  explicit FileService(const ServiceTools& tools) : tools_(tools) {}

  grpc::ServerBidiReactor<v1::UploadRequest, v1::UploadResponse>* Upload(
      grpc::CallbackServerContext* context) override;
  grpc::ServerUnaryReactor* GetUpload(grpc::CallbackServerContext* context,
                                      const v1::GetUploadRequest* request,
                                      v1::UploadInfo* response) override;
  grpc::ServerUnaryReactor* CancelUpload(grpc::CallbackServerContext* context,
                                         const v1::CancelUploadRequest* request,
                                         google::protobuf::Empty* response) override;
  grpc::ServerUnaryReactor* Get(grpc::CallbackServerContext* context, const v1::GetRequest* request,
                                v1::File* response) override;
  grpc::ServerUnaryReactor* List(grpc::CallbackServerContext* context,
                                 const v1::ListRequest* request,
                                 v1::ListResponse* response) override;
  grpc::ServerWriteReactor<v1::DownloadResponse>* Download(
      grpc::CallbackServerContext* context, const v1::DownloadRequest* request) override;
  grpc::ServerUnaryReactor* Delete(grpc::CallbackServerContext* context,
                                   const v1::DeleteRequest* request,
                                   google::protobuf::Empty* response) override;

 private:
  const ServiceTools tools_;
};

}  // namespace covet::files
