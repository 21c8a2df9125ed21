#pragma once

#include <functional>
#include <thread>

namespace covet::server {

// SIGTERM, SIGINT and SIGHUP, taken on a thread of its own. The first of the first two drains, a
// second one ends the process at once with status 128 + signal. Made by main before any other
// thread, which inherit the blocked signals. SIGPIPE is ignored. One per process.
class Signals {
 public:
  // Both run on the signal thread.
  Signals(std::function<void()> on_terminate, std::function<void()> on_reload);
  ~Signals();
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;

 private:
  void Run();

  const std::function<void()> on_terminate_;
  const std::function<void()> on_reload_;
  int signal_fd_ = -1;
  int stop_fd_ = -1;
  std::thread thread_;
};

}  // namespace covet::server
