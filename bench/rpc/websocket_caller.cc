#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "bench/load/swarm.h"
#include "bench/rpc/caller.h"
#include "bench/rpc/message.h"
#include "bench/wire/websocket.h"

namespace covet::bench {
namespace {

constexpr int kConnectMs = 10'000;

// One thread and one epoll for all connections.
class WebSocketCaller final : public Caller {
 public:
  explicit WebSocketCaller(std::string method)
      : method_(std::move(method)), tail_(SampleJsonTail()), epoll_(epoll_create1(EPOLL_CLOEXEC)) {}
  ~WebSocketCaller() override {
    for (const Connection& c : connections_) close(c.fd);
    close(epoll_);
  }

  absl::Status Connect(const std::string& address, const std::string& headers, int connections) {
    const std::vector<std::string> parts = absl::StrSplit(address, ':');
    sockaddr_in server{};
    int port = 0;
    server.sin_family = AF_INET;
    if (parts.size() != 2 || !absl::SimpleAtoi(parts[1], &port) ||
        inet_pton(AF_INET, parts[0].c_str(), &server.sin_addr) != 1) {
      return absl::InvalidArgumentError("the address must be IPv4:PORT");
    }
    server.sin_port = htons(static_cast<uint16_t>(port));
    for (int i = 0; i < connections; ++i) {
      if (absl::Status status = Open(server, address, headers); !status.ok()) return status;
    }
    return absl::OkStatus();
  }

  CallFigures Run(const CallShape& shape, absl::Duration warmup, absl::Duration interval,
                  const std::function<void()>& begin, const std::function<void()>& end) override {
    figures_ = {};
    closed_loop_ = shape.rate <= 0;
    stopping_ = recording_ = false;
    step_ns_ = closed_loop_ ? 0 : 1e9 / shape.rate;
    due_ns_ = static_cast<double>(MonotonicNanos());
    if (closed_loop_) {
      for (int i = 0; i < shape.in_flight; ++i) Start(NextConnection(), MonotonicNanos());
    }
    RunFor(warmup);
    begin();
    recording_ = true;
    RunFor(interval);
    recording_ = false;
    end();
    stopping_ = true;
    const uint64_t limit = MonotonicNanos() + 10'000'000'000;
    while (!under_way_.empty() && MonotonicNanos() < limit) Step(limit);
    figures_.errors += under_way_.size();
    return figures_;
  }

 private:
  struct Connection {
    int fd = -1;
    std::string partial;
  };
  struct Call {
    uint64_t due_ns;
    bool counted;
  };

  absl::Status Open(const sockaddr_in& server, const std::string& address,
                    const std::string& headers) {
    Connection& c = connections_.emplace_back();
    c.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int on = 1;
    setsockopt(c.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (connect(c.fd, reinterpret_cast<const sockaddr*>(&server), sizeof(server)) != 0) {
      return absl::UnavailableError(absl::StrCat("connect: ", strerror(errno)));
    }
    Send(c, absl::StrCat("GET /ws HTTP/1.1\r\nHost: ", address,
                         "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                         "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: "
                         "dGhlIHNhbXBsZSBub25jZQ==\r\n",
                         headers, "\r\n"));
    // The response and connection_ack.
    size_t head = std::string::npos;
    FrameView frame;
    for (;;) {
      if (head == std::string::npos) head = c.partial.find("\r\n\r\n");
      if (head != std::string::npos &&
          ParseServerFrame(std::string_view(c.partial).substr(head + 4), &frame) ==
              ParseResult::kFrame) {
        break;
      }
      pollfd ready{c.fd, POLLIN, 0};
      if (poll(&ready, 1, kConnectMs) != 1 || !Receive(c)) {
        return absl::UnavailableError(absl::StrCat("no connection_ack: ", c.partial));
      }
    }
    if (frame.payload.find("connection_ack") == std::string_view::npos) {
      return absl::PermissionDeniedError(std::string(frame.payload));
    }
    c.partial.erase(0, head + 4 + frame.size);
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u32 = static_cast<uint32_t>(connections_.size() - 1);
    epoll_ctl(epoll_, EPOLL_CTL_ADD, c.fd, &event);
    return absl::OkStatus();
  }

  size_t NextConnection() { return next_++ % connections_.size(); }

  void RunFor(absl::Duration duration) {
    const uint64_t end =
        MonotonicNanos() + static_cast<uint64_t>(absl::ToInt64Nanoseconds(duration));
    while (MonotonicNanos() < end) Step(end);
  }

  void Step(uint64_t until_ns) {
    uint64_t now = MonotonicNanos();
    uint64_t wake = until_ns;
    if (!closed_loop_ && !stopping_) {
      while (due_ns_ <= static_cast<double>(now)) {
        Start(NextConnection(), static_cast<uint64_t>(due_ns_));
        due_ns_ += step_ns_;
      }
      wake = std::min(wake, static_cast<uint64_t>(due_ns_));
      now = MonotonicNanos();
    }
    const uint64_t wait = wake > now ? wake - now : 0;
    const timespec timeout{static_cast<time_t>(wait / 1'000'000'000),
                           static_cast<long>(wait % 1'000'000'000)};
    std::array<epoll_event, 64> events;
    const int count = epoll_pwait2(epoll_, events.data(), events.size(), &timeout, nullptr);
    for (int i = 0; i < count; ++i) OnReadable(events[i].data.u32);
  }

  void Start(size_t connection, uint64_t due_ns) {
    const uint64_t id = ++sequence_;
    under_way_.emplace(id, Call{due_ns, recording_});
    frame_.clear();
    AppendClientFrame(Opcode::kText,
                      absl::StrCat(R"({"type":"rpc_call","id":")", id, R"(","data":{"method":")",
                                   method_, R"(","params":{"id":")", id, "\"", tail_, "}}"),
                      &frame_);
    Send(connections_[connection], frame_);
  }

  void OnReadable(size_t index) {
    Connection& c = connections_[index];
    if (!Receive(c)) {
      ++figures_.errors;
      figures_.first_error = "the connection was lost";
      epoll_ctl(epoll_, EPOLL_CTL_DEL, c.fd, nullptr);
      return;
    }
    size_t at = 0;
    FrameView frame;
    const uint64_t now = MonotonicNanos();
    int ended = 0;
    while (ParseServerFrame(std::string_view(c.partial).substr(at), &frame) ==
           ParseResult::kFrame) {
      at += frame.size;
      if (frame.opcode == Opcode::kText && OnText(frame.payload, now)) ++ended;
    }
    c.partial.erase(0, at);
    if (!closed_loop_ || stopping_) return;
    for (int i = 0; i < ended; ++i) Start(index, MonotonicNanos());
  }

  // `{"type":"rpc_response","id":"N",…`
  bool OnText(std::string_view text, uint64_t now_ns) {
    static constexpr std::string_view kGood = R"({"type":"rpc_response","id":")";
    static constexpr std::string_view kBad = R"({"type":"rpc_error","id":")";
    const bool good = text.starts_with(kGood);
    if (!good && !text.starts_with(kBad)) return false;
    const std::string_view rest = text.substr(good ? kGood.size() : kBad.size());
    uint64_t id = 0;
    for (const char c : rest) {
      if (c < '0' || c > '9') break;
      id = id * 10 + static_cast<uint64_t>(c - '0');
    }
    const auto call = under_way_.find(id);
    if (call == under_way_.end()) return false;
    if (!good && figures_.errors++ == 0) figures_.first_error = std::string(text);
    if (recording_ && call->second.counted) {
      ++figures_.calls;
      figures_.latency.Add(now_ns - call->second.due_ns);
    }
    under_way_.erase(call);
    return true;
  }

  // What is sent is far below the socket buffer's size.
  void Send(const Connection& c, std::string_view bytes) {
    if (send(c.fd, bytes.data(), bytes.size(), MSG_NOSIGNAL) !=
        static_cast<ssize_t>(bytes.size())) {
      ++figures_.errors;
      figures_.first_error = "the socket took not all";
    }
  }

  bool Receive(Connection& c) {
    std::array<char, 64 << 10> buffer;
    const ssize_t count = recv(c.fd, buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (count <= 0) return count < 0 && errno == EAGAIN;
    c.partial.append(buffer.data(), static_cast<size_t>(count));
    return true;
  }

  const std::string method_;
  const std::string tail_;
  const int epoll_;
  std::vector<Connection> connections_;
  size_t next_ = 0;
  uint64_t sequence_ = 0;
  absl::flat_hash_map<uint64_t, Call> under_way_;
  std::string frame_;
  CallFigures figures_;
  double step_ns_ = 0;
  double due_ns_ = 0;
  bool closed_loop_ = true;
  bool recording_ = false;
  bool stopping_ = false;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Caller>> MakeWebSocketCaller(const std::string& address,
                                                            const std::string& headers,
                                                            const std::string& method,
                                                            int connections) {
  auto caller = std::make_unique<WebSocketCaller>(method);
  if (absl::Status status = caller->Connect(address, headers, connections); !status.ok()) {
    return status;
  }
  return caller;
}

}  // namespace covet::bench
