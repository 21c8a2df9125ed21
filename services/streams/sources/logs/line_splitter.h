#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace covet::streams::logs {

// Cuts bytes into lines, without their ends (\n or \r\n). Of a longer line its first
// `max_line_bytes` are kept and the rest is dropped as it comes; it is handed out at its end like
// any other. Not thread-safe.
class LineSplitter {
 public:
  explicit LineSplitter(size_t max_line_bytes) : max_line_bytes_(max_line_bytes) {}

  // Calls `line(text, truncated)` for each line that ends in `bytes`. The text is good during the
  // call.
  template <typename Line>
  void Feed(std::string_view bytes, Line&& line) {
    while (!bytes.empty()) {
      const size_t end = bytes.find('\n');
      if (end == std::string_view::npos) {
        Keep(bytes);
        return;
      }
      if (pending_bytes_ == 0 && end <= max_line_bytes_) {
        line(WithoutReturn(bytes.substr(0, end)), false);
      } else {
        Keep(bytes.substr(0, end));
        Finish(line);
      }
      bytes.remove_prefix(end + 1);
    }
  }

  // Hands out what has no end, if there is anything, as a line.
  template <typename Line>
  void Flush(Line&& line) {
    if (pending_bytes_ != 0) Finish(line);
  }

  // Bytes since the last line's end.
  int64_t pending_bytes() const { return pending_bytes_; }

 private:
  static std::string_view WithoutReturn(std::string_view line) {
    if (line.ends_with('\r')) line.remove_suffix(1);
    return line;
  }
  void Keep(std::string_view bytes) {
    pending_.append(bytes.substr(0, max_line_bytes_ - pending_.size()));
    pending_bytes_ += static_cast<int64_t>(bytes.size());
  }
  template <typename Line>
  void Finish(Line&& line) {
    const bool truncated = pending_bytes_ > static_cast<int64_t>(pending_.size());
    line(truncated ? std::string_view(pending_) : WithoutReturn(pending_), truncated);
    pending_.clear();
    pending_bytes_ = 0;
  }

  const size_t max_line_bytes_;
  std::string pending_;
  int64_t pending_bytes_ = 0;
};

}  // namespace covet::streams::logs
