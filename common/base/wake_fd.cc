#include "common/base/wake_fd.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>

namespace covet {
namespace {

int MakeEventFd() {
  const int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (fd < 0) {
    std::perror("eventfd");
    std::abort();
  }
  return fd;
}

}  // namespace

WakeFd::WakeFd() : fd_(MakeEventFd()) {}

WakeFd::~WakeFd() { close(fd_); }

void WakeFd::Wake() {
  const uint64_t one = 1;
  // Full only where 2^64 wakes wait: then it is readable.
  [[maybe_unused]] const ssize_t written = write(fd_, &one, sizeof one);
}

void WakeFd::Clear() {
  uint64_t count;
  // Nothing to read where nobody woke it.
  [[maybe_unused]] const ssize_t size = read(fd_, &count, sizeof count);
}

}  // namespace covet
