#include "services/files/file_service.h"

#include <memory>
#include <utility>

#include "common/server/core_reply.h"
#include "services/files/domain/errors.h"
#include "services/files/download_call.h"
#include "services/files/upload_call.h"

namespace covet::files {
namespace {

using server::CallInfo;
using server::IdentityOf;
using server::Into;
using server::UnaryDone;

// An edge that speaks for nobody: it has been shown a link.
bool IsTrusted(const CallInfo& call) {
  return call.caller.peer && call.caller.identity.user_id().empty();
}

absl::Status OfAUserOnly() { return PermissionDenied("file:read", "a user's behalf"); }

// A unary method of a user's that is one call of the core.
template <typename Request, typename Response>
grpc::ServerUnaryReactor* Delegate(const ServiceTools& tools, grpc::CallbackServerContext* context,
                                   std::string_view method, const Request* request,
                                   Response* response,
                                   void (FilesCore::*act)(const IdentityPtr&, const Request&,
                                                          const FilesCore::Reply<Response>&)) {
  return server::HandleUnary(
      tools.calls, context, method, request, response,
      [&](const CallInfo& call, const Request& asked, Response* out, UnaryDone done) {
        if (call.caller.identity.user_id().empty()) return done(OfAUserOnly());
        tools.executor.Post([&core = tools.core, act, caller = IdentityOf(call), &asked, out,
                             done] { (core.*act)(caller, asked, Into(out, done)); });
      });
}

}  // namespace

#define COVET_METHOD(name) "/covet.files.v1.FileService/" name

grpc::ServerBidiReactor<v1::UploadRequest, v1::UploadResponse>* FileService::Upload(
    grpc::CallbackServerContext* context) {
  return StartUploadCall(tools_.calls, context, tools_.executor, tools_.core);
}

grpc::ServerUnaryReactor* FileService::GetUpload(grpc::CallbackServerContext* context,
                                                 const v1::GetUploadRequest* request,
                                                 v1::UploadInfo* response) {
  return Delegate(tools_, context, COVET_METHOD("GetUpload"), request, response,
                  &FilesCore::GetUpload);
}

grpc::ServerUnaryReactor* FileService::CancelUpload(grpc::CallbackServerContext* context,
                                                    const v1::CancelUploadRequest* request,
                                                    google::protobuf::Empty* response) {
  return Delegate(tools_, context, COVET_METHOD("CancelUpload"), request, response,
                  &FilesCore::CancelUpload);
}

grpc::ServerUnaryReactor* FileService::Get(grpc::CallbackServerContext* context,
                                           const v1::GetRequest* request, v1::File* response) {
  return server::HandleUnary(
      tools_.calls, context, COVET_METHOD("Get"), request, response,
      [&](const CallInfo& call, const v1::GetRequest& asked, v1::File* out, UnaryDone done) {
        tools_.executor.Post([&core = tools_.core, caller = IdentityOf(call),
                              trusted = IsTrusted(call), &asked, out,
                              done] { core.Get(caller, trusted, asked, Into(out, done)); });
      });
}

grpc::ServerUnaryReactor* FileService::List(grpc::CallbackServerContext* context,
                                            const v1::ListRequest* request,
                                            v1::ListResponse* response) {
  return Delegate(tools_, context, COVET_METHOD("List"), request, response, &FilesCore::List);
}

grpc::ServerWriteReactor<v1::DownloadResponse>* FileService::Download(
    grpc::CallbackServerContext* context, const v1::DownloadRequest* request) {
  return server::HandleServerStream<v1::DownloadResponse>(
      tools_.calls, context, COVET_METHOD("Download"), request,
      [this](const v1::DownloadRequest& asked, std::shared_ptr<DownloadStream> stream) {
        const CallInfo& call = stream->info();
        tools_.executor.Post(
            [this, asked, stream, caller = IdentityOf(call), trusted = IsTrusted(call)] {
              tools_.core.Download(caller, trusted, asked, [this, asked, stream](const auto& file) {
                if (!file.ok()) return stream->End(file.status());
                const int64_t length =
                    asked.length() > 0 ? asked.length() : file->size() - asked.offset();
                SendFile(tools_.blobs, *file, asked.offset(), length, stream);
              });
            });
      },
      kDownloadQueueBytes);
}

grpc::ServerUnaryReactor* FileService::Delete(grpc::CallbackServerContext* context,
                                              const v1::DeleteRequest* request,
                                              google::protobuf::Empty* response) {
  return server::HandleUnary(
      tools_.calls, context, COVET_METHOD("Delete"), request, response,
      [&](const CallInfo& call, const v1::DeleteRequest& asked, google::protobuf::Empty* out,
          UnaryDone done) {
        if (call.caller.identity.user_id().empty()) return done(OfAUserOnly());
        tools_.executor.Post([&core = tools_.core, &call, &asked, out, done] {
          core.Delete(IdentityOf(call), asked, call.correlation_id, Into(out, done));
        });
      });
}

}  // namespace covet::files
