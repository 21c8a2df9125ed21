#include "common/server/service_manager.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <string>

#include "absl/strings/str_cat.h"

namespace covet::server {
namespace {

class ServiceManagerTest : public ::testing::Test {
 protected:
  ~ServiceManagerTest() override {
    unsetenv("NOTIFY_SOCKET");
    if (fd_ >= 0) close(fd_);
  }

  void Listen(const std::string& path) {
    setenv("NOTIFY_SOCKET", path.c_str(), 1);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.data(), path.size());
    if (path[0] == '@') address.sun_path[0] = '\0';
    fd_ = socket(AF_UNIX, SOCK_DGRAM, 0);
    ASSERT_EQ(bind(fd_, reinterpret_cast<sockaddr*>(&address),
                   static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size())),
              0);
  }

  // What waits, without waiting for it: a datagram is there once it was sent.
  std::string Told() const {
    char text[64];
    const ssize_t size = recv(fd_, text, sizeof(text), MSG_DONTWAIT);
    return size < 0 ? "" : std::string(text, static_cast<size_t>(size));
  }

  int fd_ = -1;
};

TEST_F(ServiceManagerTest, IsToldAtAPath) {
  const std::string path = absl::StrCat(testing::TempDir(), "/notify.", getpid());
  unlink(path.c_str());
  Listen(path);
  TellServiceManager("READY=1");
  EXPECT_EQ(Told(), "READY=1");
  unlink(path.c_str());
}

TEST_F(ServiceManagerTest, IsToldAtAnAbstractName) {
  Listen(absl::StrCat("@covet-notify-", getpid()));
  TellServiceManager("STOPPING=1");
  EXPECT_EQ(Told(), "STOPPING=1");
}

TEST_F(ServiceManagerTest, MayNotBeThere) {
  TellServiceManager("READY=1");
  for (const std::string& path : {std::string("/no/such/socket"), std::string("relative"),
                                  std::string(1, '@'), "/" + std::string(200, 'x')}) {
    setenv("NOTIFY_SOCKET", path.c_str(), 1);
    TellServiceManager("READY=1");
  }
}

}  // namespace
}  // namespace covet::server
