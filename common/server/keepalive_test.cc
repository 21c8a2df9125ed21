// Peers that vanish without a word are noticed. They are played by a socket that speaks as much
// HTTP/2 as it takes to be believed, and answers no ping.
#include <arpa/inet.h>
#include <grpcpp/channel.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/channel_arguments.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/backends/channel.h"
#include "common/base/fd.h"
#include "common/config/config.h"
#include "common/server/grpc_server.h"
#include "gtest/gtest.h"

namespace covet::server {
namespace {

constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
constexpr uint8_t kHeaders = 1;
constexpr uint8_t kSettings = 4;
constexpr uint8_t kPing = 6;
constexpr uint8_t kAck = 1;
constexpr uint8_t kEndStreamAndHeaders = 5;

// Only a failing test waits this long.
constexpr timeval kPatience = {.tv_sec = 60, .tv_usec = 0};

std::string FrameOf(uint8_t type, uint8_t flags, uint8_t stream, std::string_view payload = "") {
  std::string frame(9, '\0');
  frame[2] = static_cast<char>(payload.size());
  frame[3] = static_cast<char>(type);
  frame[4] = static_cast<char>(flags);
  frame[8] = static_cast<char>(stream);
  return frame.append(payload);
}

std::string Text(std::string_view text) {
  return std::string(1, static_cast<char>(text.size())).append(text);
}

// A connection that never answers a ping.
class SilentPeer {
 public:
  explicit SilentPeer(Fd fd) : fd_(std::move(fd)) {
    ::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &kPatience, sizeof(kPatience));
  }

  bool Send(std::string_view data) {
    return ::send(fd_.get(), data.data(), data.size(), MSG_NOSIGNAL) ==
           static_cast<ssize_t>(data.size());
  }

  // What a client says before its first frame.
  bool AwaitPreface() {
    std::string preface(kPreface.size(), '\0');
    return Read(preface.data(), preface.size()) && preface == kPreface;
  }

  // Reads up to the other side's first ping; false if none comes.
  bool AwaitPing() {
    uint8_t header[9];
    while (Read(header, sizeof(header))) {
      if (header[3] == kPing && (header[4] & kAck) == 0) return true;
      std::string payload((header[0] << 16) | (header[1] << 8) | header[2], '\0');
      if (!Read(payload.data(), payload.size())) return false;
    }
    return false;
  }

  // Whether the other side ends the connection.
  bool AwaitEnd() {
    char byte;
    while (Read(&byte, 1)) {
    }
    return ended_;
  }

 private:
  bool Read(void* data, size_t size) {
    if (size == 0) return true;
    const ssize_t got = ::recv(fd_.get(), data, size, MSG_WAITALL);
    if (got == static_cast<ssize_t>(size)) return true;
    ended_ = got >= 0 || errno == ECONNRESET;
    return false;
  }

  Fd fd_;
  bool ended_ = false;
};

// Where channels find a silent peer.
class SilentServer {
 public:
  SilentServer() : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    address_.sin_family = AF_INET;
    address_.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address_);
    EXPECT_EQ(::bind(fd_.get(), reinterpret_cast<sockaddr*>(&address_), size), 0);
    EXPECT_EQ(::listen(fd_.get(), 1), 0);
    EXPECT_EQ(::getsockname(fd_.get(), reinterpret_cast<sockaddr*>(&address_), &size), 0);
    // For accepting, too.
    ::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &kPatience, sizeof(kPatience));
  }

  std::string address() const { return absl::StrCat("127.0.0.1:", ntohs(address_.sin_port)); }

  std::optional<SilentPeer> Accept() {
    Fd accepted(::accept4(fd_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!accepted.valid()) return std::nullopt;
    SilentPeer peer(std::move(accepted));
    if (!peer.Send(FrameOf(kSettings, 0, 0)) || !peer.AwaitPreface()) return std::nullopt;
    return peer;
  }

 private:
  const Fd fd_;
  sockaddr_in address_ = {};
};

// Connects, and drives gRPC until the connection is lost: without a call nobody else would.
class Driver {
 public:
  explicit Driver(std::shared_ptr<grpc::Channel> channel)
      : thread_([channel = std::move(channel)] {
          const auto deadline =
              std::chrono::system_clock::now() + std::chrono::seconds(kPatience.tv_sec);
          bool connected = false;
          grpc_connectivity_state state = channel->GetState(/*try_to_connect=*/true);
          while (state != GRPC_CHANNEL_TRANSIENT_FAILURE &&
                 (state == GRPC_CHANNEL_READY || !connected)) {
            connected = state == GRPC_CHANNEL_READY;
            if (!channel->WaitForStateChange(state, deadline)) return;
            state = channel->GetState(/*try_to_connect=*/false);
          }
        }) {}
  ~Driver() { thread_.join(); }

 private:
  std::thread thread_;
};

config::Config ImpatientConfig() {
  config::Config config = config::DefaultConfig();
  config.mutable_grpc()->set_listen("127.0.0.1:0");
  for (auto* time : {config.mutable_grpc()->mutable_keepalive_time(),
                     config.mutable_grpc()->mutable_keepalive_timeout()}) {
    time->set_seconds(0);
    time->set_nanos(100'000'000);
  }
  return config;
}

TEST(KeepaliveTest, AServerEndsTheConnectionOfAClientThatAnswersNoPing) {
  auto server = GrpcServer::Start(ImpatientConfig().grpc(), {});
  ASSERT_TRUE(server.ok()) << server.status();
  Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<uint16_t>((*server)->port()));
  ASSERT_EQ(::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  SilentPeer client(std::move(fd));
  // A call that ends at once: gRPC pings nobody that it has sent nothing. By HPACK's static table:
  // POST, http, :path, :authority, content-type.
  const std::string call = absl::StrCat("\x83\x86\x04", Text("/grpc.health.v1.Health/Check"),
                                        "\x01", Text("covet"), "\x0f\x10", Text("application/grpc"),
                                        std::string(1, '\0'), Text("te"), Text("trailers"));
  ASSERT_TRUE(client.Send(absl::StrCat(std::string(kPreface), FrameOf(kSettings, 0, 0),
                                       FrameOf(kHeaders, kEndStreamAndHeaders, 1, call))));
  EXPECT_TRUE(client.AwaitPing());
  EXPECT_TRUE(client.AwaitEnd());
}

TEST(KeepaliveTest, AChannelBetweenRolesLeavesAServerThatAnswersNoPing) {
  SilentServer server;
  const std::shared_ptr<grpc::Channel> channel =
      grpc::CreateCustomChannel(server.address(), grpc::InsecureChannelCredentials(),
                                PeerChannelArguments(ImpatientConfig().grpc()));
  const Driver driver(channel);
  // Without a call, too.
  std::optional<SilentPeer> peer = server.Accept();
  ASSERT_TRUE(peer.has_value());
  EXPECT_TRUE(peer->AwaitPing());
  EXPECT_TRUE(peer->AwaitEnd());
}

TEST(KeepaliveTest, AChannelToABackendAsksWhetherItIsThere) {
  SilentServer server;
  config::v1::BackendConfig config;
  config.add_addresses(server.address());
  config.mutable_keepalive_time()->set_nanos(100'000'000);
  const auto channels = backends::OpenChannels(config, 1 << 20);
  ASSERT_TRUE(channels.ok()) << channels.status();
  ASSERT_EQ(channels->size(), 1u);
  const Driver driver(channels->front()->channel);
  // The call is gRPC's own, which asks for the backend's health.
  std::optional<SilentPeer> peer = server.Accept();
  ASSERT_TRUE(peer.has_value());
  EXPECT_TRUE(peer->AwaitPing());
}

}  // namespace
}  // namespace covet::server
