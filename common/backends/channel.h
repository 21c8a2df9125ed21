#pragma once

#include <grpcpp/channel.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/support/byte_buffer.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "covet/config/v1/services.pb.h"

namespace covet::backends {

// One channel with what calls need of it.
struct Channel {
  explicit Channel(std::shared_ptr<grpc::Channel> opened)
      : channel(std::move(opened)), stub(channel) {}
  const std::shared_ptr<grpc::Channel> channel;
  grpc::GenericStub stub;
};

// Opens the channels to a backend. One does for addresses that are IPv4, or IPv6, throughout, for
// gRPC spreads calls over those, and for a single name, which may have several addresses; else
// there is one for each address. They connect by themselves when first used.
absl::StatusOr<std::vector<std::unique_ptr<Channel>>> OpenChannels(
    const config::v1::BackendConfig& config, int64_t max_message_bytes);

// The headers of every call, secrets resolved. INVALID_ARGUMENT for what gRPC cannot send.
absl::StatusOr<std::vector<std::pair<std::string, std::string>>> ConfiguredMetadata(
    const config::v1::BackendConfig& config);

// Whether gRPC sends such a header; it ends the process over one that it cannot.
absl::Status CheckHeader(const std::string& key, const std::string& value);

}  // namespace covet::backends
