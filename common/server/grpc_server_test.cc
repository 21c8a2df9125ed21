#include "common/server/grpc_server.h"

#include <gmock/gmock.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>
#include <future>

#include "common/config/config.h"
#include "common/server/channels.h"
#include "covet/rooms/v1/rooms.grpc.pb.h"

namespace covet::server {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

config::Config LocalConfig() {
  config::Config config = config::DefaultConfig();
  config.mutable_grpc()->set_listen("127.0.0.1:0");
  return config;
}

// One unary call with these request bytes; its status, and the response's bytes in `response`.
grpc::Status Call(const std::shared_ptr<grpc::Channel>& channel, const std::string& method,
                  const std::string& request, std::string* response = nullptr) {
  grpc::GenericStub stub(channel);
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(10));
  const grpc::Slice slice(request);
  const grpc::ByteBuffer out(&slice, 1);
  grpc::ByteBuffer in;
  std::promise<grpc::Status> done;
  stub.UnaryCall(&context, method, grpc::StubOptions(), &out, &in,
                 [&](grpc::Status status) { done.set_value(std::move(status)); });
  const grpc::Status status = done.get_future().get();
  if (status.ok() && response != nullptr) {
    grpc::Slice single;
    EXPECT_TRUE(in.DumpToSingleSlice(&single).ok());
    response->assign(reinterpret_cast<const char*>(single.begin()), single.size());
  }
  return status;
}

std::shared_ptr<grpc::Channel> Plain(const GrpcServer& server) {
  return grpc::CreateChannel(server.loopback_address(), grpc::InsecureChannelCredentials());
}

// HealthCheckResponse{status}: 1 is SERVING, 2 NOT_SERVING.
constexpr char kServing[] = "\x08\x01";
constexpr char kNotServing[] = "\x08\x02";
constexpr char kHealth[] = "/grpc.health.v1.Health/Check";
// HealthCheckRequest{service: "covet.rooms.v1.RoomService"}
constexpr char kRoomsHealth[] =
    "\x0a\x1a"
    "covet.rooms.v1.RoomService";

TEST(GrpcServerTest, HealthFollowsTheProcess) {
  rooms::v1::RoomService::CallbackService service;
  auto server = GrpcServer::Start(LocalConfig().grpc(), {&service});
  ASSERT_TRUE(server.ok()) << server.status();
  EXPECT_THAT((*server)->service_names(), ElementsAre("covet.rooms.v1.RoomService"));
  const auto channel = Plain(**server);
  std::string response;
  for (const std::string& request : {std::string(), std::string(kRoomsHealth)}) {
    ASSERT_TRUE(Call(channel, kHealth, request, &response).ok());
    EXPECT_EQ(response, kNotServing);
    (*server)->SetServing(true);
    ASSERT_TRUE(Call(channel, kHealth, request, &response).ok());
    EXPECT_EQ(response, kServing);
    (*server)->SetServing(false);
  }
  EXPECT_EQ(Call(channel, kHealth, "\x0a\x01x").error_code(), grpc::StatusCode::NOT_FOUND);
}

TEST(GrpcServerTest, ReflectionAndChannelzAreThereOnlyWhereAllowed) {
  struct Case {
    const char* listen;
    config::v1::ReflectionMode mode;
    bool allowed;
  };
  for (const Case& c : {Case{"127.0.0.1:0", config::v1::REFLECTION_MODE_LOOPBACK, true},
                        Case{"0.0.0.0:0", config::v1::REFLECTION_MODE_LOOPBACK, false},
                        Case{"0.0.0.0:0", config::v1::REFLECTION_MODE_ALWAYS, true},
                        Case{"127.0.0.1:0", config::v1::REFLECTION_MODE_NEVER, false}}) {
    config::Config config = LocalConfig();
    config.mutable_grpc()->set_listen(c.listen);
    config.mutable_grpc()->set_reflection(c.mode);
    auto server = GrpcServer::Start(config.grpc(), {});
    ASSERT_TRUE(server.ok()) << server.status();
    const auto channel = Plain(**server);
    for (const char* method : {"/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
                               "/grpc.channelz.v1.Channelz/GetServers"}) {
      EXPECT_EQ(Call(channel, method, "").error_code() != grpc::StatusCode::UNIMPLEMENTED,
                c.allowed)
          << method << " on " << c.listen << " mode " << c.mode;
    }
  }
}

TEST(GrpcServerTest, ATakenPortIsUnavailable) {
  auto first = GrpcServer::Start(LocalConfig().grpc(), {});
  ASSERT_TRUE(first.ok());
  config::Config config = LocalConfig();
  config.mutable_grpc()->set_listen((*first)->loopback_address());
  EXPECT_EQ(GrpcServer::Start(config.grpc(), {}).status().code(), absl::StatusCode::kUnavailable);
}

TEST(GrpcServerTest, ShutdownIsIdempotentAndRefusesCalls) {
  auto server = GrpcServer::Start(LocalConfig().grpc(), {});
  ASSERT_TRUE(server.ok());
  const auto channel = Plain(**server);
  ASSERT_TRUE(Call(channel, kHealth, "").ok());
  (*server)->Shutdown(0);
  (*server)->Shutdown(0);
  EXPECT_EQ(Call(channel, kHealth, "").error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST(GrpcServerTest, AMessageOverTheBoundIsRefused) {
  config::Config config = LocalConfig();
  config.mutable_grpc()->set_max_message_bytes(1000);
  auto server = GrpcServer::Start(config.grpc(), {});
  ASSERT_TRUE(server.ok());
  EXPECT_EQ(Call(Plain(**server), kHealth, std::string(2000, ' ')).error_code(),
            grpc::StatusCode::RESOURCE_EXHAUSTED);
}

class TlsTest : public ::testing::Test {
 protected:
  // An authority and a certificate of its for 127.0.0.1.
  void SetUp() override {
    dir_ = testing::TempDir() + "covet_tls";
    const std::string command =
        "mkdir -p " + dir_ + " && cd " + dir_ +
        " && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 "
        "-subj /CN=ca "
        "-keyout ca.key -out ca.pem 2>/dev/null"
        " && openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=covet "
        "-keyout key.pem -out csr.pem 2>/dev/null"
        " && printf 'subjectAltName=IP:127.0.0.1' > ext"
        " && openssl x509 -req -in csr.pem -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 "
        "-extfile ext "
        "-out cert.pem 2>/dev/null";
    ASSERT_EQ(std::system(command.c_str()), 0);
  }

  config::Config TlsConfig() {
    config::Config config = LocalConfig();
    config.mutable_grpc()->set_in_process(false);
    config.mutable_grpc()->mutable_tls()->set_cert_file(dir_ + "/cert.pem");
    config.mutable_grpc()->mutable_tls()->set_key_file(dir_ + "/key.pem");
    config.mutable_grpc()->mutable_tls()->set_ca_file(dir_ + "/ca.pem");
    return config;
  }

  std::string dir_;
};

TEST_F(TlsTest, PeersShowCertificatesToEachOther) {
  const auto config = std::make_shared<const config::Config>(TlsConfig());
  auto server = GrpcServer::Start(config->grpc(), {});
  ASSERT_TRUE(server.ok()) << server.status();
  Channels channels(config, nullptr);
  channels.SetServer(server->get());
  const auto channel = channels.ChannelTo("rooms");
  ASSERT_TRUE(channel.ok()) << channel.status();
  const grpc::Status status = Call(*channel, kHealth, "");
  EXPECT_TRUE(status.ok()) << status.error_message();
  // Without a certificate nobody comes in.
  std::ifstream ca(dir_ + "/ca.pem");
  grpc::SslCredentialsOptions options;
  options.pem_root_certs.assign(std::istreambuf_iterator<char>(ca), {});
  const auto anonymous =
      grpc::CreateChannel((*server)->loopback_address(), grpc::SslCredentials(options));
  EXPECT_EQ(Call(anonymous, kHealth, "").error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(Call(Plain(**server), kHealth, "").error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(TlsTest, UnusableCertificatesAreRefused) {
  config::Config config = TlsConfig();
  config.mutable_grpc()->mutable_tls()->set_key_file(dir_ + "/nothing");
  EXPECT_FALSE(GrpcServer::Start(config.grpc(), {}).ok());
}

TEST(ChannelsTest, LocalRolesShareOneChannelAndUnknownOnesAreNotFound) {
  config::Config config = LocalConfig();
  config.clear_targets();
  config.add_targets("edge");
  config.add_targets("rooms");
  config.mutable_peers()->set_files("files.example:8001");
  auto server = GrpcServer::Start(config.grpc(), {});
  ASSERT_TRUE(server.ok());
  Channels channels(std::make_shared<const config::Config>(config), nullptr);
  EXPECT_EQ(channels.ChannelTo("rooms").status().code(), absl::StatusCode::kFailedPrecondition);
  channels.SetServer(server->get());
  const auto first = channels.ChannelTo("rooms");
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(*first, *channels.ChannelTo("rooms"));
  EXPECT_TRUE(channels.ChannelTo("files").ok());
  const auto missing = channels.ChannelTo("rpc");
  EXPECT_EQ(missing.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(missing.status().message()), HasSubstr("peers.rpc"));
}

}  // namespace
}  // namespace covet::server
