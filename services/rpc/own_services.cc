#include "services/rpc/own_services.h"

#include <google/protobuf/descriptor.h>
#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/support/byte_buffer.h>

#include <chrono>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/auth/grpc_authenticator.h"
#include "common/backends/caller_metadata.h"
#include "common/backends/status_details.h"
#include "common/backends/unary_call.h"
#include "common/errors/grpc_errors.h"
#include "common/server/call.h"

namespace covet::rpc {
namespace {

using backends::CallDone;

struct OwnService {
  const char* role;
  const char* prefix;
  const char* service;
};
constexpr OwnService kServices[] = {
    {"rooms", "rooms", "covet.rooms.v1.RoomService"},
    {"rooms", "rooms", "covet.rooms.v1.NotificationService"},
    {"streams", "streams", "covet.streams.v1.StreamService"},
    {"files", "files", "covet.files.v1.FileService"},
};

// One call. gRPC's callback holds it until it is over.
class OwnCall final : public backends::BackendCall {
 public:
  void Cancel() override { context.TryCancel(); }

  grpc::ClientContext context;
  grpc::ByteBuffer request;
  grpc::ByteBuffer response;
};

class OwnMethod final : public Method {
 public:
  OwnMethod(const OwnService& service, const google::protobuf::MethodDescriptor& method,
            std::shared_ptr<const protojson::Schema> schema,
            std::shared_ptr<grpc::GenericStub> stub, RpcMetrics& rpc_metrics)
      : schema_(std::move(schema)),
        stub_(std::move(stub)),
        request_(*schema_->FindMessage(method.input_type()->full_name())),
        response_(*schema_->FindMessage(method.output_type()->full_name())) {
    name = absl::StrCat(service.prefix, ".", backends::SnakeCase(method.name()));
    grpc_method = absl::StrCat(service.service, "/", method.name());
    backend = service.role;
    metrics = &rpc_metrics.Of(backend);
  }

  std::shared_ptr<backends::BackendCall> Call(const CallRequest& request,
                                              CallDone done) const override {
    std::string wire;
    if (absl::Status read = request_.JsonToWire(request.params, "params", &wire); !read.ok()) {
      done(backends::FromStatus(read));
      return nullptr;
    }
    auto call = std::make_shared<OwnCall>();
    call->request = backends::ToBuffer(wire);
    call->context.set_deadline(std::chrono::system_clock::now() +
                               std::chrono::milliseconds(request.timeout_ms));
    call->context.AddMetadata(server::kCorrelationIdKey,
                              backends::MetadataValue(request.correlation_id));
    auth::SpeakFor(request.identity, &call->context);
    stub_->UnaryCall(&call->context, absl::StrCat("/", grpc_method), {}, &call->request,
                     &call->response,
                     [call, codec = response_, schema = schema_,
                      done = std::move(done)](const grpc::Status& status) {
                       if (!status.ok()) return done(backends::FromStatus(FromGrpcStatus(status)));
                       std::string json;
                       grpc::Slice slice;
                       const absl::Status printed =
                           codec.WireToJson(backends::ViewOf(call->response, &slice), &json);
                       if (!printed.ok()) return done(backends::FromStatus(printed));
                       done(std::move(json));
                     });
    return call;
  }
  const google::protobuf::Descriptor& params() const override { return request_.descriptor(); }
  const google::protobuf::Descriptor& result() const override { return response_.descriptor(); }

 private:
  const std::shared_ptr<const protojson::Schema> schema_;
  const std::shared_ptr<grpc::GenericStub> stub_;
  const protojson::MessageCodec request_;
  const protojson::MessageCodec response_;
};

}  // namespace

std::vector<MethodPtr> OwnServiceMethods(std::shared_ptr<const protojson::Schema> schema,
                                         server::ChannelProvider& channels, RpcMetrics& metrics) {
  std::vector<MethodPtr> methods;
  for (const OwnService& service : kServices) {
    auto channel = channels.ChannelTo(service.role);
    if (!channel.ok()) continue;  // Not part of this deployment.
    const auto stub = std::make_shared<grpc::GenericStub>(*channel);
    const google::protobuf::ServiceDescriptor* descriptor = schema->FindService(service.service);
    for (int i = 0; i < descriptor->method_count(); ++i) {
      const google::protobuf::MethodDescriptor& method = *descriptor->method(i);
      if (method.client_streaming() || method.server_streaming()) continue;
      methods.push_back(std::make_shared<OwnMethod>(service, method, schema, stub, metrics));
    }
  }
  return methods;
}

}  // namespace covet::rpc
