#include "services/streams/service.h"

#include <utility>
#include <vector>

#include "covet/streams/v1/streams.grpc.pb.h"
#include "services/unimplemented/unimplemented.h"

namespace covet::streams {
namespace {

using unimplemented::Refusal;

class StreamService final : public v1::StreamService::CallbackService {
 public:
  explicit StreamService(server::CallAuthenticator& authenticator)
      : authenticator_(authenticator) {}

  grpc::ServerUnaryReactor* Publish(grpc::CallbackServerContext* context, const v1::PublishRequest*,
                                    v1::PublishResponse*) override {
    return Finish(context, "/covet.streams.v1.StreamService/Publish");
  }
  grpc::ServerReadReactor<v1::PublishRequest>* PublishStream(grpc::CallbackServerContext* context,
                                                             v1::PublishStreamResponse*) override {
    return new unimplemented::ReadRefusal<v1::PublishRequest>(
        Refusal(authenticator_, *context, "/covet.streams.v1.StreamService/PublishStream"));
  }
  grpc::ServerWriteReactor<v1::SubscribeResponse>* Subscribe(grpc::CallbackServerContext* context,
                                                             const v1::SubscribeRequest*) override {
    return new unimplemented::WriteRefusal<v1::SubscribeResponse>(
        Refusal(authenticator_, *context, "/covet.streams.v1.StreamService/Subscribe"));
  }
  grpc::ServerUnaryReactor* ListResources(grpc::CallbackServerContext* context,
                                          const v1::ListResourcesRequest*,
                                          v1::ListResourcesResponse*) override {
    return Finish(context, "/covet.streams.v1.StreamService/ListResources");
  }
  grpc::ServerUnaryReactor* GetHistory(grpc::CallbackServerContext* context,
                                       const v1::GetHistoryRequest*,
                                       v1::GetHistoryResponse*) override {
    return Finish(context, "/covet.streams.v1.StreamService/GetHistory");
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

absl::StatusOr<std::unique_ptr<server::Role>> MakeStreamsRole(const server::RoleContext& context) {
  std::vector<std::unique_ptr<grpc::Service>> services;
  services.push_back(std::make_unique<StreamService>(*context.authenticator));
  return std::make_unique<unimplemented::ServiceRole>("streams", std::move(services));
}

}  // namespace covet::streams
