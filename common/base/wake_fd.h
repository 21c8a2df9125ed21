#pragma once

namespace covet {

// Wakes a thread that waits in poll(2): readable from Wake until Clear. An eventfd. Thread-safe.
class WakeFd {
 public:
  // Ends the process if the system has no descriptor left.
  WakeFd();
  ~WakeFd();
  WakeFd(const WakeFd&) = delete;
  WakeFd& operator=(const WakeFd&) = delete;

  void Wake();
  void Clear();
  int fd() const { return fd_; }

 private:
  const int fd_;
};

}  // namespace covet
