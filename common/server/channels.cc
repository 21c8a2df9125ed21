#include "common/server/channels.h"

#include <grpcpp/grpcpp.h>

#include <vector>

#include "absl/strings/str_cat.h"
#include "common/config/config.h"
#include "common/server/grpc_server.h"

namespace covet::server {
namespace {

std::string AddressOf(const config::v1::PeersConfig& peers, const std::string& role) {
  if (role == "rooms") return peers.rooms();
  if (role == "streams") return peers.streams();
  if (role == "rpc") return peers.rpc();
  if (role == "files") return peers.files();
  return "";
}

}  // namespace

Channels::Channels(std::shared_ptr<const config::v1::Config> config,
                   MakeInterceptor make_interceptor)
    : config_(std::move(config)), make_interceptor_(std::move(make_interceptor)) {}

Channels::~Channels() = default;

void Channels::SetServer(GrpcServer* server) {
  std::lock_guard lock(mutex_);
  server_ = server;
}

absl::StatusOr<std::shared_ptr<grpc::Channel>> Channels::ChannelTo(std::string_view role) {
  std::lock_guard lock(mutex_);
  return Open(std::string(role));
}

absl::StatusOr<std::shared_ptr<grpc::Channel>> Channels::Open(const std::string& role) {
  const bool local = config::RunsRole(*config_, role);
  const std::string address = AddressOf(config_->peers(), role);
  if (!local && address.empty()) {
    return absl::NotFoundError(
        absl::StrCat("the role ", role, " neither runs here nor is peers.", role, " set"));
  }
  if (local && server_ == nullptr) {
    return absl::FailedPreconditionError("the gRPC server does not run yet");
  }
  std::shared_ptr<grpc::Channel>& channel = channels_[local ? "local" : address];
  if (channel) return channel;

  std::vector<std::unique_ptr<grpc::experimental::ClientInterceptorFactoryInterface>> interceptors;
  if (make_interceptor_) interceptors.push_back(make_interceptor_());
  const grpc::ChannelArguments arguments = PeerChannelArguments(config_->grpc());
  if (local && config_->grpc().in_process()) {
    channel = server_->server().experimental().InProcessChannelWithInterceptors(
        arguments, std::move(interceptors));
    return channel;
  }
  const auto credentials = PeerChannelCredentials(config_->grpc());
  if (!credentials.ok()) return credentials.status();
  channel = grpc::experimental::CreateCustomChannelWithInterceptors(
      local ? server_->loopback_address() : absl::StrCat("dns:///", address), *credentials,
      arguments, std::move(interceptors));
  return channel;
}

}  // namespace covet::server
