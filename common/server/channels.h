#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "absl/base/thread_annotations.h"
#include "common/server/channel_provider.h"
#include "covet/config/v1/config.pb.h"

namespace grpc::experimental {
class ClientInterceptorFactoryInterface;
}

namespace covet::server {

class GrpcServer;

// The channels of one process: to roles that run here through its own server, in process or over
// loopback as `grpc.in_process` says, to others at their address of `peers`. Destroyed on the main
// thread, before the server.
class Channels final : public ChannelProvider {
 public:
  using MakeInterceptor =
      std::function<std::unique_ptr<grpc::experimental::ClientInterceptorFactoryInterface>()>;

  // `make_interceptor` yields what proves our role on every call; null for none.
  Channels(std::shared_ptr<const config::v1::Config> config, MakeInterceptor make_interceptor);
  ~Channels() override;

  // The process's server runs now. Once, before the first ChannelTo.
  void SetServer(GrpcServer* server);

  absl::StatusOr<std::shared_ptr<grpc::Channel>> ChannelTo(std::string_view role) override;

 private:
  absl::StatusOr<std::shared_ptr<grpc::Channel>> Open(const std::string& role)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::shared_ptr<const config::v1::Config> config_;
  const MakeInterceptor make_interceptor_;
  std::mutex mutex_;
  GrpcServer* server_ ABSL_GUARDED_BY(mutex_) = nullptr;
  // By `local` or the address.
  std::map<std::string, std::shared_ptr<grpc::Channel>> channels_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace covet::server
