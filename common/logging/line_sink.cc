#include "common/logging/line_sink.h"

#include <unistd.h>

#include <cerrno>
#include <chrono>

namespace covet::log::internal {

LineSink::~LineSink() {
  if (fd_ != STDERR_FILENO) close(fd_);
}

void LineSink::log(const spdlog::details::log_msg& message) {
  buffer_.assign(message.payload.data(), message.payload.size());
  buffer_.push_back('\n');
  size_t written = 0;
  while (written < buffer_.size()) {
    const ssize_t n = write(fd_, buffer_.data() + written, buffer_.size() - written);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return;
    written += static_cast<size_t>(n);
  }
}

void LineSink::flush() {
  {
    std::lock_guard lock(mutex_);
    ++flushes_;
  }
  flushed_.notify_all();
}

uint64_t LineSink::flushes() {
  std::lock_guard lock(mutex_);
  return flushes_;
}

void LineSink::WaitForFlush(uint64_t seen) {
  std::unique_lock lock(mutex_);
  flushed_.wait_for(lock, std::chrono::seconds(2), [&] { return flushes_ > seen; });
}

}  // namespace covet::log::internal
