#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/base/clock.h"
#include "common/base/id_generator.h"
#include "common/config/config.h"
#include "common/metrics/metrics.h"
#include "common/server/call.h"
#include "common/server/call_metrics.h"
#include "common/server/channels.h"
#include "common/server/grpc_server.h"
#include "common/server/open_calls.h"
#include "grpcpp/server_context.h"

namespace covet::server {

// Lets in whoever sends `x-user`, under that name; with `x-peer` as a peer that speaks for that
// user.
class UserHeaderAuthenticator final : public CallAuthenticator {
 public:
  absl::StatusOr<Caller> Authenticate(const grpc::CallbackServerContext& context,
                                      std::string_view) override {
    const auto it = context.client_metadata().find("x-user");
    if (it == context.client_metadata().end()) return absl::UnauthenticatedError("who are you?");
    Caller caller;
    caller.identity.set_user_id(std::string(it->second.data(), it->second.size()));
    caller.peer = context.client_metadata().contains("x-peer");
    return caller;
  }
  absl::Status StillHolds(const Caller&) override {
    return expired ? absl::UnauthenticatedError("expired") : absl::OkStatus();
  }

  std::atomic<bool> expired{false};
};

// A server on a free port with a channel to it; the parameter says whether in process.
class ServingTest : public ::testing::TestWithParam<bool> {
 protected:
  void StartServer(const std::vector<grpc::Service*>& services) {
    config::Config config = config::DefaultConfig();
    config.mutable_grpc()->set_listen("127.0.0.1:0");
    config.mutable_grpc()->set_in_process(GetParam());
    config_ = std::make_shared<const config::Config>(config);
    auto server = GrpcServer::Start(config.grpc(), services);
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    channels_ = std::make_unique<Channels>(config_, nullptr);
    channels_->SetServer(server_.get());
    auto channel = channels_->ChannelTo("rooms");
    ASSERT_TRUE(channel.ok()) << channel.status();
    channel_ = *std::move(channel);
  }

  void TearDown() override {
    channel_.reset();
    if (server_) server_->Shutdown(0);
    channels_.reset();
  }

  double Requests(const std::string& method, const std::string& code) {
    return registry_
        .AddCounter("covet_grpc_requests_total", "gRPC calls served, by method and code.",
                    {{"method", method}, {"code", code}})
        .Value();
  }

  metrics::Registry registry_;
  CallMetrics metrics_{&registry_};
  UserHeaderAuthenticator authenticator_;
  OpenCalls open_calls_{authenticator_, /*review_ms=*/10};
  CallTools tools_{&authenticator_, &metrics_, &SystemClock(), &SystemIds(), &open_calls_};
  std::shared_ptr<const config::Config> config_;
  std::unique_ptr<GrpcServer> server_;
  std::unique_ptr<Channels> channels_;
  std::shared_ptr<grpc::Channel> channel_;
};

}  // namespace covet::server
