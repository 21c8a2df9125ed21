#include "common/server/grpc_server.h"

#include <google/protobuf/message.h>
#include <grpcpp/ext/channelz_service_plugin.h>
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/impl/server_builder_option.h>
#include <grpcpp/impl/server_initializer.h>

#include <chrono>
#include <mutex>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/base/read_file.h"
#include "common/config/config.h"
#include "common/config/formats.h"
#include "grpc/health/v1/health.pb.h"

namespace covet::server {
namespace {

// What a stream's receiver buffers at most while nobody reads. Left to itself, gRPC lets a window
// grow with the throughput it has seen, to some 10 MB for a single slow download.
constexpr int kStreamWindowBytes = 512 << 10;

using config::v1::GrpcConfig;

bool IsLoopback(const std::string& host) {
  return host == "localhost" || host == "::1" || absl::StartsWith(host, "127.");
}

bool AllowsReflection(const GrpcConfig& config, const std::string& host) {
  switch (config.reflection()) {
    case config::v1::REFLECTION_MODE_ALWAYS:
      return true;
    case config::v1::REFLECTION_MODE_NEVER:
      return false;
    default:
      return IsLoopback(host);
  }
}

// Tells the names of a server's services, which nothing else of the library does.
class ServiceNamesPlugin final : public grpc::ServerBuilderPlugin {
 public:
  explicit ServiceNamesPlugin(std::vector<std::string>* names) : names_(*names) {}
  std::string name() override { return "covet.service_names"; }
  void InitServer(grpc::ServerInitializer*) override {}
  void Finish(grpc::ServerInitializer* initializer) override {
    for (const std::string& name : *initializer->GetServiceList()) {
      if (!absl::StartsWith(name, "grpc.")) names_.push_back(name);
    }
  }
  void ChangeArguments(const std::string&, void*) override {}

 private:
  std::vector<std::string>& names_;
};

// The library gives its plugins to every server of the process; this takes them away where they are
// not allowed.
class PluginsOption final : public grpc::ServerBuilderOption {
 public:
  PluginsOption(std::vector<std::string>* names, bool reflection)
      : names_(names), reflection_(reflection) {}
  void UpdateArguments(grpc::ChannelArguments*) override {}
  void UpdatePlugins(std::vector<std::unique_ptr<grpc::ServerBuilderPlugin>>* plugins) override {
    if (!reflection_) plugins->clear();
    plugins->push_back(std::make_unique<ServiceNamesPlugin>(names_));
  }

 private:
  std::vector<std::string>* const names_;
  const bool reflection_;
};

void InitPlugins() {
  static std::once_flag once;
  std::call_once(once, [] {
    grpc::EnableDefaultHealthCheckService(true);
    // The library's own health service knows no descriptors, which reflection would describe it by.
    google::protobuf::LinkMessageReflection<grpc::health::v1::HealthCheckRequest>();
    grpc::reflection::InitProtoReflectionServerBuilderPlugin();
    grpc::channelz::experimental::InitChannelzService();
  });
}

struct Pem {
  std::string cert;
  std::string key;
  std::string ca;
};

absl::StatusOr<Pem> ReadTls(const config::v1::TlsConfig& tls) {
  Pem pem;
  for (const auto& [path, text] :
       {std::pair{tls.cert_file(), &pem.cert}, std::pair{tls.key_file(), &pem.key},
        std::pair{tls.ca_file(), &pem.ca}}) {
    if (path.empty()) continue;
    auto read = ReadFile(path);
    if (!read.ok()) return read.status();
    *text = *std::move(read);
  }
  return pem;
}

absl::StatusOr<std::shared_ptr<grpc::ServerCredentials>> ServerCredentialsOf(
    const GrpcConfig& config) {
  if (config.tls().cert_file().empty()) return grpc::InsecureServerCredentials();
  const auto pem = ReadTls(config.tls());
  if (!pem.ok()) return pem.status();
  grpc::SslServerCredentialsOptions options(
      pem->ca.empty() ? GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE
                      : GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  options.pem_root_certs = pem->ca;
  options.pem_key_cert_pairs.push_back({pem->key, pem->cert});
  return grpc::SslServerCredentials(options);
}

}  // namespace

absl::StatusOr<std::unique_ptr<GrpcServer>> GrpcServer::Start(
    const GrpcConfig& config, const std::vector<grpc::Service*>& services) {
  std::string host;
  int port = 0;
  if (!config::SplitAddress(config.listen(), &host, &port)) {
    return absl::InvalidArgumentError(absl::StrCat("bad address ", config.listen()));
  }
  auto credentials = ServerCredentialsOf(config);
  if (!credentials.ok()) return credentials.status();

  InitPlugins();
  grpc::ServerBuilder builder;
  auto server = std::unique_ptr<GrpcServer>(new GrpcServer);
  builder.AddListeningPort(config.listen(), *credentials, &server->port_);
  // Two processes on one port would share its connections at random.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS,
                             static_cast<int>(config::Millis(config.keepalive_time())));
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS,
                             static_cast<int>(config::Millis(config.keepalive_timeout())));
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
                             static_cast<int>(config::Millis(config.min_ping_interval())));
  builder.AddChannelArgument(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, kStreamWindowBytes);
  builder.SetMaxReceiveMessageSize(static_cast<int>(config.max_message_bytes()));
  builder.SetMaxSendMessageSize(static_cast<int>(config.max_message_bytes()));
  const bool reflection = AllowsReflection(config, host);
  builder.SetOption(std::make_unique<PluginsOption>(&server->service_names_, reflection));
  if (reflection) builder.AddChannelArgument(GRPC_ARG_ENABLE_CHANNELZ, 1);
  for (grpc::Service* service : services) builder.RegisterService(service);
  if (services.empty()) {
    // The library refuses to start a server that has nothing but health, as an edge alone would be.
    server->nothing_ = std::make_unique<grpc::CallbackGenericService>();
    builder.RegisterCallbackGenericService(server->nothing_.get());
  }
  server->server_ = builder.BuildAndStart();
  if (!server->server_) {
    return absl::UnavailableError(absl::StrCat("gRPC cannot listen on ", config.listen()));
  }
  server->SetServing(false);
  const bool any = host == "0.0.0.0" || host == "::";
  const bool v6 = absl::StrContains(any ? "" : host, ":");
  server->loopback_address_ =
      absl::StrCat(v6 ? "[" : "", any ? "127.0.0.1" : host, v6 ? "]" : "", ":", server->port_);
  return server;
}

GrpcServer::GrpcServer() = default;
GrpcServer::~GrpcServer() { Shutdown(0); }

void GrpcServer::SetServing(bool serving) {
  auto* health = server_->GetHealthCheckService();
  for (const std::string& name : service_names_) health->SetServingStatus(name, serving);
  health->SetServingStatus("", serving);
}

void GrpcServer::Shutdown(int64_t deadline_ms) {
  if (down_ || !server_) return;
  down_ = true;
  server_->Shutdown(std::chrono::system_clock::now() + std::chrono::milliseconds(deadline_ms));
  server_->Wait();
}

grpc::ChannelArguments PeerChannelArguments(const GrpcConfig& config) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS,
                   static_cast<int>(config::Millis(config.keepalive_time())));
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS,
                   static_cast<int>(config::Millis(config.keepalive_timeout())));
  arguments.SetInt(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  // A peer that restarts is found again within its links' patience.
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 1000);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 2000);
  arguments.SetInt(GRPC_ARG_DNS_MIN_TIME_BETWEEN_RESOLUTIONS_MS, 2000);
  arguments.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  arguments.SetInt(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, kStreamWindowBytes);
  arguments.SetLoadBalancingPolicyName("round_robin");
  arguments.SetMaxReceiveMessageSize(static_cast<int>(config.max_message_bytes()));
  arguments.SetMaxSendMessageSize(static_cast<int>(config.max_message_bytes()));
  return arguments;
}

absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> PeerChannelCredentials(
    const GrpcConfig& config) {
  if (config.tls().cert_file().empty()) return grpc::InsecureChannelCredentials();
  const auto pem = ReadTls(config.tls());
  if (!pem.ok()) return pem.status();
  grpc::SslCredentialsOptions options;
  // Without an authority of our own those of the system vouch for peers.
  options.pem_root_certs = pem->ca;
  options.pem_private_key = pem->key;
  options.pem_cert_chain = pem->cert;
  return grpc::SslCredentials(options);
}

}  // namespace covet::server
