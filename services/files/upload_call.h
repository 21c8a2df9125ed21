#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include "common/base/executor.h"
#include "common/server/call.h"
#include "covet/files/v1/files.pb.h"
#include "services/files/domain/files_core.h"

namespace covet::files {

// Begins to serve one FileService.Upload. The reactor deletes itself. All must outlive it.
grpc::ServerBidiReactor<v1::UploadRequest, v1::UploadResponse>* StartUploadCall(
    const server::CallTools& tools, grpc::CallbackServerContext* context, Executor& executor,
    FilesCore& core);

}  // namespace covet::files
