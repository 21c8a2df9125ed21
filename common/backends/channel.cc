#include "common/backends/channel.h"

#include <arpa/inet.h>
#include <grpc/grpc.h>
#include <grpc/grpc_security_constants.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/channel_arguments.h>

#include <array>
#include <string_view>

#include "common/base/read_file.h"
#include "common/config/config.h"
#include "common/config/values.h"

namespace covet::backends {
namespace {

// A backend that restarts is found again soon.
constexpr int kInitialBackoffMillis = 100;
constexpr int kMinBackoffMillis = 1000;  // Time for connecting, too.
constexpr int kMaxBackoffMillis = 2000;
constexpr int kKeepaliveTimeoutMillis = 20'000;

constexpr char kServiceConfig[] =
    R"({"loadBalancingConfig":[{"round_robin":{}}],"healthCheckConfig":{"serviceName":""}})";

enum class AddressKind { kName, kIpv4, kIpv6 };

AddressKind KindOf(std::string_view address) {
  std::string host(address.substr(0, address.rfind(':')));
  std::array<unsigned char, 16> binary;
  if (inet_pton(AF_INET, host.c_str(), binary.data()) == 1) return AddressKind::kIpv4;
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
    if (inet_pton(AF_INET6, host.c_str(), binary.data()) == 1) return AddressKind::kIpv6;
  }
  return AddressKind::kName;
}

std::string TargetOf(AddressKind kind, const std::string& address) {
  switch (kind) {
    case AddressKind::kIpv4:
      return "ipv4:" + address;
    case AddressKind::kIpv6:
      return "ipv6:" + address;
    case AddressKind::kName:
      break;
  }
  return "dns:///" + address;
}

std::vector<std::string> Targets(const config::v1::BackendConfig& config) {
  std::vector<std::string> targets;
  bool one_kind = true;
  const AddressKind first = KindOf(config.addresses(0));
  for (const std::string& address : config.addresses()) {
    const AddressKind kind = KindOf(address);
    one_kind = one_kind && kind == first && kind != AddressKind::kName;
    targets.push_back(TargetOf(kind, address));
  }
  if (!one_kind) return targets;
  std::string all = targets.front();
  for (int i = 1; i < config.addresses_size(); ++i) all.append(",").append(config.addresses(i));
  return {all};
}

absl::Status ReadPem(const std::string& file, std::string* out) {
  if (file.empty()) return absl::OkStatus();
  absl::StatusOr<std::string> text = ReadFile(file);
  if (!text.ok()) return text.status();
  if (text->empty()) return absl::FailedPreconditionError(file + " is empty");
  *out = *std::move(text);
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> Credentials(
    const config::v1::BackendConfig& config) {
  if (!config.has_tls()) return grpc::InsecureChannelCredentials();
  const auto& tls = config.tls();
  if (tls.cert_file().empty() != tls.key_file().empty()) {
    return absl::InvalidArgumentError("tls: cert_file and key_file belong together");
  }
  grpc::SslCredentialsOptions options;
  for (const auto& [file, pem] : {std::pair(&tls.ca_file(), &options.pem_root_certs),
                                  std::pair(&tls.cert_file(), &options.pem_cert_chain),
                                  std::pair(&tls.key_file(), &options.pem_private_key)}) {
    if (absl::Status status = ReadPem(*file, pem); !status.ok()) return status;
  }
  return grpc::SslCredentials(options);
}

}  // namespace

absl::StatusOr<std::vector<std::unique_ptr<Channel>>> OpenChannels(
    const config::v1::BackendConfig& config, int64_t max_message_bytes) {
  auto credentials = Credentials(config);
  if (!credentials.ok()) return credentials.status();
  grpc::ChannelArguments arguments;
  arguments.SetServiceConfigJSON(kServiceConfig);
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, kInitialBackoffMillis);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, kMinBackoffMillis);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, kMaxBackoffMillis);
  arguments.SetInt(GRPC_ARG_DNS_MIN_TIME_BETWEEN_RESOLUTIONS_MS, kMaxBackoffMillis);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS,
                   static_cast<int>(config::Millis(config.keepalive_time())));
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepaliveTimeoutMillis);
  arguments.SetMaxReceiveMessageSize(static_cast<int>(max_message_bytes));
  if (!config.tls().server_name().empty()) {
    arguments.SetSslTargetNameOverride(config.tls().server_name());
  }
  std::vector<std::unique_ptr<Channel>> channels;
  for (const std::string& target : Targets(config)) {
    channels.push_back(
        std::make_unique<Channel>(grpc::CreateCustomChannel(target, *credentials, arguments)));
  }
  return channels;
}

absl::StatusOr<std::vector<std::pair<std::string, std::string>>> ConfiguredMetadata(
    const config::v1::BackendConfig& config) {
  std::vector<std::pair<std::string, std::string>> metadata;
  for (const auto& [key, secret] : config.metadata()) {
    auto value = config::ResolveSecret(secret);
    if (!value.ok()) return value.status();
    if (absl::Status status = CheckHeader(key, *value); !status.ok()) return status;
    metadata.emplace_back(key, *std::move(value));
  }
  return metadata;
}

absl::Status CheckHeader(const std::string& key, const std::string& value) {
  const grpc_slice key_slice = grpc_slice_from_static_buffer(key.data(), key.size());
  if (!grpc_header_key_is_legal(key_slice) || key.starts_with("grpc-")) {
    return absl::InvalidArgumentError("gRPC sends no metadata `" + key + "`");
  }
  const grpc_slice value_slice = grpc_slice_from_static_buffer(value.data(), value.size());
  if (!grpc_is_binary_header(key_slice) && !grpc_header_nonbin_value_is_legal(value_slice)) {
    return absl::InvalidArgumentError(
        "the metadata `" + key + "` is not printable ASCII, and its name does not end in -bin");
  }
  return absl::OkStatus();
}

}  // namespace covet::backends
