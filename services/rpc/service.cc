#include "services/rpc/service.h"

#include <utility>
#include <vector>

#include "covet/rpc/v1/link.grpc.pb.h"
#include "covet/rpc/v1/rpc.grpc.pb.h"
#include "services/unimplemented/unimplemented.h"

namespace covet::rpc {
namespace {

using unimplemented::Refusal;

class RpcService final : public v1::RpcService::CallbackService {
 public:
  explicit RpcService(server::CallAuthenticator& authenticator) : authenticator_(authenticator) {}

  grpc::ServerUnaryReactor* Call(grpc::CallbackServerContext* context, const v1::CallRequest*,
                                 v1::CallResponse*) override {
    return Finish(context, "/covet.rpc.v1.RpcService/Call");
  }
  grpc::ServerUnaryReactor* ListMethods(grpc::CallbackServerContext* context,
                                        const v1::ListMethodsRequest*,
                                        v1::ListMethodsResponse*) override {
    return Finish(context, "/covet.rpc.v1.RpcService/ListMethods");
  }

 private:
  grpc::ServerUnaryReactor* Finish(grpc::CallbackServerContext* context, std::string_view method) {
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    reactor->Finish(Refusal(authenticator_, *context, method));
    return reactor;
  }

  server::CallAuthenticator& authenticator_;
};

class RpcLinkService final : public v1::RpcLinkService::CallbackService {
 public:
  explicit RpcLinkService(server::CallAuthenticator& authenticator)
      : authenticator_(authenticator) {}

  grpc::ServerBidiReactor<v1::EdgeFrame, v1::ServiceFrame>* Connect(
      grpc::CallbackServerContext* context) override {
    return new unimplemented::BidiRefusal<v1::EdgeFrame, v1::ServiceFrame>(
        Refusal(authenticator_, *context, "/covet.rpc.v1.RpcLinkService/Connect"));
  }

 private:
  server::CallAuthenticator& authenticator_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<server::Role>> MakeRpcRole(const server::RoleContext& context) {
  // Nothing else of link.proto is used yet; without it reflection would lack the file.
  v1::EdgeFrame::descriptor();
  std::vector<std::unique_ptr<grpc::Service>> services;
  services.push_back(std::make_unique<RpcService>(*context.authenticator));
  services.push_back(std::make_unique<RpcLinkService>(*context.authenticator));
  return std::make_unique<unimplemented::ServiceRole>("rpc", std::move(services));
}

}  // namespace covet::rpc
