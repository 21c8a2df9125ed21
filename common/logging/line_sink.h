#pragma once

#include <spdlog/sinks/sink.h>

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>

namespace covet::log::internal {

// Writes each line to a file descriptor with one system call, so that lines of several processes do
// not mix. Owns the descriptor unless it is standard error. A line that cannot be written is lost.
class LineSink final : public spdlog::sinks::sink {
 public:
  explicit LineSink(int fd) : fd_(fd) {}
  ~LineSink() override;

  void log(const spdlog::details::log_msg& message) override;
  // Marks how far the writer came; see WaitForFlush.
  void flush() override;
  void set_pattern(const std::string&) override {}
  void set_formatter(std::unique_ptr<spdlog::formatter>) override {}

  uint64_t flushes();
  // Waits until flush() was called more than `seen` times, at most 2 s.
  void WaitForFlush(uint64_t seen);

 private:
  const int fd_;
  std::string buffer_;
  std::mutex mutex_;
  std::condition_variable flushed_;
  uint64_t flushes_ = 0;
};

}  // namespace covet::log::internal
