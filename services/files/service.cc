#include "services/files/service.h"

#include <utility>
#include <vector>

#include "covet/files/v1/files.grpc.pb.h"
#include "services/unimplemented/unimplemented.h"

namespace covet::files {
namespace {

using unimplemented::Refusal;

class FileService final : public v1::FileService::CallbackService {
 public:
  explicit FileService(server::CallAuthenticator& authenticator) : authenticator_(authenticator) {}

  grpc::ServerBidiReactor<v1::UploadRequest, v1::UploadResponse>* Upload(
      grpc::CallbackServerContext* context) override {
    return new unimplemented::BidiRefusal<v1::UploadRequest, v1::UploadResponse>(
        Refusal(authenticator_, *context, "/covet.files.v1.FileService/Upload"));
  }
  grpc::ServerUnaryReactor* GetUpload(grpc::CallbackServerContext* context,
                                      const v1::GetUploadRequest*, v1::UploadInfo*) override {
    return Finish(context, "/covet.files.v1.FileService/GetUpload");
  }
  grpc::ServerUnaryReactor* CancelUpload(grpc::CallbackServerContext* context,
                                         const v1::CancelUploadRequest*,
                                         google::protobuf::Empty*) override {
    return Finish(context, "/covet.files.v1.FileService/CancelUpload");
  }
  grpc::ServerUnaryReactor* Get(grpc::CallbackServerContext* context, const v1::GetRequest*,
                                v1::File*) override {
    return Finish(context, "/covet.files.v1.FileService/Get");
  }
  grpc::ServerUnaryReactor* List(grpc::CallbackServerContext* context, const v1::ListRequest*,
                                 v1::ListResponse*) override {
    return Finish(context, "/covet.files.v1.FileService/List");
  }
  grpc::ServerWriteReactor<v1::DownloadResponse>* Download(grpc::CallbackServerContext* context,
                                                           const v1::DownloadRequest*) override {
    return new unimplemented::WriteRefusal<v1::DownloadResponse>(
        Refusal(authenticator_, *context, "/covet.files.v1.FileService/Download"));
  }
  grpc::ServerUnaryReactor* Delete(grpc::CallbackServerContext* context, const v1::DeleteRequest*,
                                   google::protobuf::Empty*) override {
    return Finish(context, "/covet.files.v1.FileService/Delete");
  }

 private:
  grpc::ServerUnaryReactor* Finish(grpc::CallbackServerContext* context, std::string_view method) {
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    reactor->Finish(Refusal(authenticator_, *context, method));
    return reactor;
  }

  server::CallAuthenticator& authenticator_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<server::Role>> MakeFilesRole(const server::RoleContext& context) {
  std::vector<std::unique_ptr<grpc::Service>> services;
  services.push_back(std::make_unique<FileService>(*context.authenticator));
  return std::make_unique<unimplemented::ServiceRole>("files", std::move(services));
}

}  // namespace covet::files
