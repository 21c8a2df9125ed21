#pragma once

#include <netinet/in.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <queue>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "bench/load/delivery.h"
#include "bench/load/histogram.h"
#include "bench/load/protocol.h"
#include "bench/wire/websocket.h"

namespace covet::bench {

// Nanoseconds of the monotonic clock, which all processes of a machine share.
uint64_t MonotonicNanos();

struct SwarmOptions {
  sockaddr_in server{};
  std::string host_header;
  std::string target;
  // Further header lines of a connection's upgrade request, each ended by CRLF; may be empty.
  std::function<std::string(int connection)> headers;
  int connections = 0;
  // Room r has the members r * members + m modulo the number of connections.
  int rooms = 0;
  int members = 0;
  std::string room_prefix;
  // Connections that may be between connect() and their last join at one time.
  int concurrency = 64;
  // Connections leave from that many addresses 127.0.0.x in turn, so that ports last.
  int source_addresses = 1;
  size_t payload_bytes = 200;
};

struct SwarmCounters {
  uint64_t published = 0;
  uint64_t acked = 0;
  uint64_t delivered = 0;
  uint64_t expected = 0;  // Deliveries that all published messages should cause.
  uint64_t reads = 0;     // recv() calls that brought bytes.
  uint64_t errors = 0;    // Error messages from the server.
  uint64_t disconnects = 0;
};

// Many WebSocket clients on one thread and one epoll: connect, join rooms, publish by a schedule,
// count what arrives. Not thread-safe.
class Swarm {
 public:
  Swarm(SwarmOptions options, std::unique_ptr<Protocol> protocol);
  ~Swarm();
  Swarm(const Swarm&) = delete;
  Swarm& operator=(const Swarm&) = delete;

  // Brings every connection to the end of its joins. Fails at the first that is lost or refused, or
  // after `limit`.
  absl::Status ConnectAndJoin(absl::Duration limit);
  // Serves the connections, and publishes if started.
  void Run(absl::Duration duration);
  // Serves them until every published message has been delivered and acknowledged; false after
  // `limit`.
  bool RunUntilSettled(absl::Duration limit);

  // The first `publishers` members of the rooms in turn publish `per_second` messages together,
  // each sent at its due time whatever has come back.
  void PublishAtRate(double per_second, int publishers);
  // Each of the first `publishers` keeps `window` messages unacknowledged.
  void PublishWithWindow(int window, int publishers);
  void StopPublishing();

  // Latencies of messages published from now on are recorded.
  void StartRecording();

  const SwarmCounters& counters() const { return counters_; }
  // From publish to arrival.
  const Histogram& latency() const { return latency_; }
  // From publish to acknowledgement.
  const Histogram& ack_latency() const { return ack_latency_; }
  // How late publishes at a rate left: the load's own delay.
  const Histogram& lateness() const { return lateness_; }
  const std::string& first_error() const { return first_error_; }
  // One delivery as it came, for its form and size.
  const std::string& sample() const { return sample_; }

 private:
  enum class State : uint8_t {
    kNew,
    kConnecting,
    kUpgrading,
    kOpening,
    kJoining,
    kSettled,
    kClosed
  };
  struct Connection {
    int fd = -1;
    State state = State::kNew;
    int joins_left = 0;
    std::string partial;  // The start of an unfinished frame or HTTP response.
    std::vector<int> rooms;
    // When the messages without an acknowledgement were published; acknowledgements come in this
    // order.
    std::unique_ptr<std::queue<uint64_t>> unacked;
  };

  bool Step(uint64_t until_ns);
  void RunUntil(const std::function<bool()>& done, absl::Duration limit);
  void OpenMore();
  void Open(int index);
  void OnEvent(int index, uint32_t events);
  void OnReadable(int index);
  // Consumes whole frames from `bytes` and returns how many bytes they took.
  size_t Consume(int index, std::string_view bytes, uint64_t now_ns);
  bool OnUpgradeResponse(int index, std::string_view head);
  void OnAck(int index, uint64_t now_ns);
  void OnText(int index, std::string_view text, uint64_t now_ns);
  void OnReady(int index);
  void Settle(int index);
  void Fail(int index, std::string_view reason);
  void SendFrame(int index, Opcode opcode, std::string_view payload);
  void SendRaw(int index, std::string_view bytes);
  void PublishDue(uint64_t now_ns);
  void PublishFrom(int index, int room, uint64_t now_ns);
  int MemberOf(int room, int member) const;

  const SwarmOptions options_;
  const std::unique_ptr<Protocol> protocol_;
  int epoll_ = -1;
  std::vector<Connection> connections_;
  std::vector<char> buffer_;
  std::string outgoing_;
  Payload payload_;
  DeliveryFinder finder_;
  int opened_ = 0;
  int settled_ = 0;

  int publishers_ = 0;
  int window_ = 0;
  double interval_ns_ = 0;
  double next_due_ns_ = 0;
  uint64_t sequence_ = 0;

  bool recording_ = false;
  uint64_t recording_since_ns_ = 0;
  SwarmCounters counters_;
  Histogram latency_;
  Histogram ack_latency_;
  Histogram lateness_;
  std::string first_error_;
  std::string sample_;
};

}  // namespace covet::bench
