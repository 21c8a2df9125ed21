#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace covet::bench {

struct FloorOptions {
  uint16_t port = 0;  // One port for all threads (SO_REUSEPORT).
  int threads = 1;
  size_t event_bytes = 480;  // Text of the frame that goes to every member.
};

class FloorThread;

// The least a broadcast server can do: epoll, WebSocket upgrades, and one send() of a ready-made
// frame per member. No coalescing, no queues, no log, no checks. What a real server's CPU per
// delivery is measured against.
class Floor {
 public:
  // Listens on 127.0.0.1.
  static absl::StatusOr<std::unique_ptr<Floor>> Start(const FloorOptions& options);
  ~Floor();

  // Serves until the process ends; the caller's thread is the first of the threads.
  void Serve();

 private:
  Floor() = default;

  std::vector<std::unique_ptr<FloorThread>> threads_;
};

// One epoll with its listener and its share of the sockets.
class FloorThread {
 public:
  FloorThread(const FloorOptions& options, const std::vector<std::unique_ptr<FloorThread>>* all);
  ~FloorThread();

  absl::Status Listen();
  void Loop();

 private:
  struct Client {
    bool upgraded = false;
    std::string partial;
    std::vector<std::string> rooms;
  };
  struct Mail {
    std::string room;
    std::shared_ptr<const std::string> frame;
  };

  void Accept();
  void OnReadable(int fd);
  // Handles whole messages at the front of `bytes`, returns how many bytes they took; -1 to close.
  int64_t Consume(int fd, Client* client, char* bytes, size_t size);
  void OnMessage(int fd, Client* client, std::string_view text);
  void Broadcast(const std::string& room, const std::string& frame);
  void Post(Mail mail);
  void OnMail();
  void CloseClient(int fd);

  const FloorOptions options_;
  const std::vector<std::unique_ptr<FloorThread>>* const all_;
  int epoll_ = -1;
  int listener_ = -1;
  int wake_ = -1;
  std::unordered_map<int, Client> clients_;
  std::unordered_map<std::string, std::vector<int>> rooms_;
  std::vector<char> buffer_;

  std::mutex mutex_;
  std::vector<Mail> mail_;  // Guarded by mutex_. Bounded by what publishers have unacknowledged.
};

}  // namespace covet::bench
