#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "covet/config/v1/config.pb.h"

namespace grpc {
class CallbackGenericService;
class Channel;
class ChannelArguments;
class ChannelCredentials;
class Server;
class Service;
namespace experimental {
class ClientInterceptorFactoryInterface;
}
}  // namespace grpc

namespace covet::server {

// The gRPC server of a process: health, reflection and channelz beside the roles' services,
// keepalive, TLS as configured. Health answers everyone; reflection and channelz exist only where
// `grpc.reflection` allows. Thread-safe after Start.
class GrpcServer {
 public:
  // Serves at once on `config.listen`; the services must outlive this object. All of them are
  // NOT_SERVING at first. UNAVAILABLE if the address is taken, INVALID_ARGUMENT if the certificates
  // cannot be used.
  static absl::StatusOr<std::unique_ptr<GrpcServer>> Start(
      const config::v1::GrpcConfig& config, const std::vector<grpc::Service*>& services);
  // Shuts down at once if Shutdown was not called. Not to be called on a gRPC thread.
  ~GrpcServer();

  // The port it listens on.
  int port() const { return port_; }
  // `host:port` at which this process reaches itself.
  const std::string& loopback_address() const { return loopback_address_; }
  grpc::Server& server() { return *server_; }

  // Sets the health of every service and of the server as a whole (the empty name).
  void SetServing(bool serving);
  // Full names of the roles' services.
  const std::vector<std::string>& service_names() const { return service_names_; }

  // Takes no new calls, waits for running ones for at most `deadline_ms`, then cancels them.
  // Blocks. Idempotent.
  void Shutdown(int64_t deadline_ms);

 private:
  GrpcServer();

  // Answers UNIMPLEMENTED to everything, where there are no services.
  std::unique_ptr<grpc::CallbackGenericService> nothing_;
  std::unique_ptr<grpc::Server> server_;
  std::vector<std::string> service_names_;
  std::string loopback_address_;
  int port_ = 0;
  bool down_ = false;
};

// Keepalive, message size and balancing of a channel between roles: round_robin, no retries, pings
// also while idle.
grpc::ChannelArguments PeerChannelArguments(const config::v1::GrpcConfig& config);

// Credentials of channels to peers: TLS with our certificate if one is configured, plaintext
// otherwise.
absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> PeerChannelCredentials(
    const config::v1::GrpcConfig& config);

}  // namespace covet::server
