#pragma once

#include <memory>
#include <string_view>

#include "absl/status/statusor.h"

namespace grpc {
class Channel;
}

namespace covet::server {

// Yields the channels to the roles. Thread-safe.
class ChannelProvider {
 public:
  virtual ~ChannelProvider() = default;
  // The channel to a role (`rooms`, `streams`, `rpc`, `files`): within this process if it runs
  // there, else to the address that `peers` names. Opened once and kept; do not destroy the last
  // copy on a gRPC thread. To be called once the process's gRPC server runs, that is from
  // Role::Start on. NOT_FOUND for a role that neither runs here nor has an address.
  virtual absl::StatusOr<std::shared_ptr<grpc::Channel>> ChannelTo(std::string_view role) = 0;
};

}  // namespace covet::server
