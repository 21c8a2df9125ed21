#include "services/unimplemented/unimplemented.h"

#include "common/errors/grpc_errors.h"

namespace covet::unimplemented {

grpc::Status Refusal(server::CallAuthenticator& authenticator,
                     const grpc::CallbackServerContext& context, std::string_view full_method) {
  absl::StatusOr<server::Caller> caller = authenticator.Authenticate(context, full_method);
  if (!caller.ok()) return ToGrpcStatus(caller.status());
  return grpc::Status(grpc::StatusCode::UNIMPLEMENTED,
                      std::string(full_method) + " is declared and not implemented yet");
}

std::vector<grpc::Service*> ServiceRole::services() {
  std::vector<grpc::Service*> services;
  services.reserve(services_.size());
  for (const auto& service : services_) services.push_back(service.get());
  return services;
}

}  // namespace covet::unimplemented
