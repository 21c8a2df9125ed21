#include "bench/load/swarm.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace covet::bench {
namespace {

constexpr size_t kBufferSize = 256 * 1024;
constexpr int kEventsPerTurn = 128;
// The key of the RFC's example: what it is does not matter to a load.
constexpr char kKey[] = "dGhlIHNhbXBsZSBub25jZQ==";

}  // namespace

uint64_t MonotonicNanos() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

Swarm::Swarm(SwarmOptions options, std::unique_ptr<Protocol> protocol)
    : options_(std::move(options)),
      protocol_(std::move(protocol)),
      epoll_(epoll_create1(EPOLL_CLOEXEC)),
      connections_(static_cast<size_t>(options_.connections)),
      buffer_(kBufferSize),
      payload_(options_.payload_bytes) {
  for (int room = 0; room < options_.rooms; ++room) {
    for (int member = 0; member < options_.members; ++member) {
      connections_[MemberOf(room, member)].rooms.push_back(room);
    }
  }
}

Swarm::~Swarm() {
  for (size_t i = 0; i < connections_.size(); ++i) {
    if (connections_[i].fd < 0) continue;
    SendFrame(static_cast<int>(i), Opcode::kClose, std::string_view("\x03\xe8", 2));
    if (connections_[i].fd >= 0) close(connections_[i].fd);
  }
  close(epoll_);
}

int Swarm::MemberOf(int room, int member) const {
  return static_cast<int>((int64_t{room} * options_.members + member) % options_.connections);
}

absl::Status Swarm::ConnectAndJoin(absl::Duration limit) {
  OpenMore();
  RunUntil([this] { return settled_ == options_.connections || counters_.disconnects != 0; },
           limit);
  if (settled_ == options_.connections && counters_.errors == 0) return absl::OkStatus();
  return absl::UnavailableError(absl::StrCat(settled_, " of ", options_.connections,
                                             " connections came through; ", counters_.disconnects,
                                             " lost, first error: ", first_error_));
}

void Swarm::Run(absl::Duration duration) {
  RunUntil([] { return false; }, duration);
}

bool Swarm::RunUntilSettled(absl::Duration limit) {
  const auto settled = [this] {
    return counters_.delivered >= counters_.expected && counters_.acked >= counters_.published;
  };
  RunUntil(settled, limit);
  return settled();
}

void Swarm::RunUntil(const std::function<bool()>& done, absl::Duration limit) {
  const uint64_t end = MonotonicNanos() + static_cast<uint64_t>(absl::ToInt64Nanoseconds(limit));
  while (!done() && MonotonicNanos() < end) {
    if (!Step(end)) return;
  }
}

bool Swarm::Step(uint64_t until_ns) {
  uint64_t now = MonotonicNanos();
  uint64_t wake = until_ns;
  if (interval_ns_ > 0) {
    PublishDue(now);
    wake = std::min(wake, static_cast<uint64_t>(next_due_ns_));
    now = MonotonicNanos();
  }
  const uint64_t wait = wake > now ? wake - now : 0;
  const timespec timeout{static_cast<time_t>(wait / 1'000'000'000),
                         static_cast<long>(wait % 1'000'000'000)};
  std::array<epoll_event, kEventsPerTurn> events;
  const int count = epoll_pwait2(epoll_, events.data(), kEventsPerTurn, &timeout, nullptr);
  if (count < 0) return errno == EINTR;
  for (int i = 0; i < count; ++i) OnEvent(static_cast<int>(events[i].data.u32), events[i].events);
  return true;
}

void Swarm::OpenMore() {
  while (opened_ < options_.connections && opened_ - settled_ < options_.concurrency) {
    Open(opened_++);
  }
}

void Swarm::Open(int index) {
  Connection& c = connections_[index];
  c.fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (c.fd < 0) return Fail(index, absl::StrCat("socket: ", strerror(errno)));
  const int on = 1;
  setsockopt(c.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  if (options_.source_addresses > 1) {
    setsockopt(c.fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
    sockaddr_in source{};
    source.sin_family = AF_INET;
    source.sin_addr.s_addr =
        htonl(INADDR_LOOPBACK + static_cast<uint32_t>(index % options_.source_addresses));
    if (bind(c.fd, reinterpret_cast<sockaddr*>(&source), sizeof(source)) != 0) {
      return Fail(index, absl::StrCat("bind: ", strerror(errno)));
    }
  }
  epoll_event event{};
  event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
  event.data.u32 = static_cast<uint32_t>(index);
  epoll_ctl(epoll_, EPOLL_CTL_ADD, c.fd, &event);
  c.state = State::kConnecting;
  if (connect(c.fd, reinterpret_cast<const sockaddr*>(&options_.server), sizeof(options_.server)) !=
          0 &&
      errno != EINPROGRESS) {
    Fail(index, absl::StrCat("connect: ", strerror(errno)));
  }
}

void Swarm::OnEvent(int index, uint32_t events) {
  Connection& c = connections_[index];
  if (c.state == State::kConnecting && (events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) != 0) {
    int error = 0;
    socklen_t size = sizeof(error);
    getsockopt(c.fd, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) return Fail(index, absl::StrCat("connect: ", strerror(error)));
    // Later writes are far below the socket buffer's size, so EPOLLOUT would only cost turns.
    epoll_event event{};
    event.events = EPOLLIN | EPOLLRDHUP | EPOLLET;
    event.data.u32 = static_cast<uint32_t>(index);
    epoll_ctl(epoll_, EPOLL_CTL_MOD, c.fd, &event);
    c.state = State::kUpgrading;
    SendRaw(index,
            absl::StrCat("GET ", options_.target, " HTTP/1.1\r\nHost: ", options_.host_header,
                         "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                         "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ",
                         kKey, "\r\n", options_.headers ? options_.headers(index) : "", "\r\n"));
    return;
  }
  if ((events & (EPOLLIN | EPOLLRDHUP | EPOLLERR | EPOLLHUP)) != 0) OnReadable(index);
}

void Swarm::OnReadable(int index) {
  Connection& c = connections_[index];
  while (c.fd >= 0) {
    size_t have = c.partial.size();
    if (have >= kBufferSize) return Fail(index, "a frame larger than the load's buffer");
    std::memcpy(buffer_.data(), c.partial.data(), have);
    const ssize_t got = recv(c.fd, buffer_.data() + have, kBufferSize - have, 0);
    if (got < 0) {
      if (errno == EINTR) continue;
      if (errno != EAGAIN) Fail(index, absl::StrCat("recv: ", strerror(errno)));
      return;
    }
    if (got == 0) return Fail(index, "the server closed the connection");
    ++counters_.reads;
    const bool drained = have + static_cast<size_t>(got) < kBufferSize;
    const std::string_view bytes(buffer_.data(), have + static_cast<size_t>(got));
    const size_t used = Consume(index, bytes, MonotonicNanos());
    if (used < bytes.size()) {
      c.partial.assign(bytes.substr(used));
    } else {
      c.partial.clear();
    }
    if (drained) return;  // Edge-triggered: whatever comes now is a new event.
  }
}

size_t Swarm::Consume(int index, std::string_view bytes, uint64_t now_ns) {
  size_t used = 0;
  if (connections_[index].state == State::kUpgrading) {
    const size_t end = bytes.find("\r\n\r\n");
    if (end == std::string_view::npos) return 0;
    used = end + 4;
    if (!OnUpgradeResponse(index, bytes.substr(0, used))) return bytes.size();
  }
  FrameView frame;
  while (used < bytes.size() && connections_[index].fd >= 0) {
    const ParseResult result = ParseServerFrame(bytes.substr(used), &frame);
    if (result == ParseResult::kNeedMore) break;
    if (result == ParseResult::kBad) {
      Fail(index, "a frame that the load does not understand");
      return bytes.size();
    }
    used += frame.size;
    switch (frame.opcode) {
      case Opcode::kText:
        OnText(index, frame.payload, now_ns);
        break;
      case Opcode::kPing:
        SendFrame(index, Opcode::kPong, frame.payload);
        break;
      case Opcode::kClose:
        Fail(index, "close frame: " + std::string(frame.payload.substr(
                                          std::min<size_t>(2, frame.payload.size()))));
        break;
      case Opcode::kBinary:
      case Opcode::kPong:
        break;
    }
  }
  return used;
}

bool Swarm::OnUpgradeResponse(int index, std::string_view head) {
  static const std::string accept = AcceptKey(kKey);
  if (!head.starts_with("HTTP/1.1 101 ") || head.find(accept) == std::string_view::npos) {
    Fail(index, "not upgraded: " + std::string(head.substr(0, head.find('\r'))));
    return false;
  }
  connections_[index].state = State::kOpening;
  if (protocol_->ready_on_upgrade()) OnReady(index);
  return true;
}

void Swarm::OnText(int index, std::string_view text, uint64_t now_ns) {
  uint64_t sent_ns = 0;
  if (finder_.Find(text, &sent_ns)) {
    ++counters_.delivered;
    if (recording_ && sent_ns >= recording_since_ns_) {
      latency_.Add(now_ns > sent_ns ? now_ns - sent_ns : 0);
    }
    if (sample_.empty()) sample_.assign(text);
    return;
  }
  const Incoming incoming = protocol_->Classify(text);
  Connection& c = connections_[index];
  switch (incoming.kind) {
    case Incoming::Kind::kReady:
      if (c.state == State::kOpening) OnReady(index);
      break;
    case Incoming::Kind::kJoined:
      if (c.state == State::kJoining && --c.joins_left == 0) Settle(index);
      break;
    case Incoming::Kind::kAck:
      OnAck(index, now_ns);
      break;
    case Incoming::Kind::kError:
      ++counters_.errors;
      if (first_error_.empty()) first_error_.assign(text);
      break;
    case Incoming::Kind::kOther:
      break;
  }
  if (!incoming.reply.empty()) SendFrame(index, Opcode::kText, incoming.reply);
}

void Swarm::OnAck(int index, uint64_t now_ns) {
  Connection& c = connections_[index];
  ++counters_.acked;
  if (c.unacked && !c.unacked->empty()) {
    const uint64_t sent_ns = c.unacked->front();
    c.unacked->pop();
    if (recording_ && sent_ns >= recording_since_ns_) {
      ack_latency_.Add(now_ns > sent_ns ? now_ns - sent_ns : 0);
    }
  }
  if (window_ > 0) PublishFrom(index, c.rooms.front(), MonotonicNanos());
}

void Swarm::OnReady(int index) {
  Connection& c = connections_[index];
  c.state = State::kJoining;
  c.joins_left = static_cast<int>(c.rooms.size());
  if (c.rooms.empty()) return Settle(index);
  for (size_t i = 0; i < c.rooms.size(); ++i) {
    SendFrame(index, Opcode::kText,
              protocol_->Join(absl::StrCat(options_.room_prefix, c.rooms[i]), i));
  }
}

void Swarm::Settle(int index) {
  connections_[index].state = State::kSettled;
  ++settled_;
  OpenMore();
}

void Swarm::Fail(int index, std::string_view reason) {
  Connection& c = connections_[index];
  if (c.state == State::kClosed) return;
  if (c.fd >= 0) close(c.fd);
  c.fd = -1;
  c.state = State::kClosed;
  ++counters_.disconnects;
  if (first_error_.empty()) first_error_.assign(reason);
}

void Swarm::SendFrame(int index, Opcode opcode, std::string_view payload) {
  outgoing_.clear();
  AppendClientFrame(opcode, payload, &outgoing_);
  SendRaw(index, outgoing_);
}

void Swarm::SendRaw(int index, std::string_view bytes) {
  const int fd = connections_[index].fd;
  if (fd < 0) return;
  // What a load connection has under way fits its socket buffer many times over; a server that does
  // not read even that has failed.
  if (send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT) !=
      static_cast<ssize_t>(bytes.size())) {
    Fail(index, absl::StrCat("send: ", strerror(errno)));
  }
}

void Swarm::PublishAtRate(double per_second, int publishers) {
  publishers_ = publishers;
  interval_ns_ = 1e9 / per_second;
  next_due_ns_ = static_cast<double>(MonotonicNanos());
}

void Swarm::PublishWithWindow(int window, int publishers) {
  window_ = window;
  for (int p = 0; p < publishers; ++p) {
    const int room = p % options_.rooms;
    const int index = MemberOf(room, p / options_.rooms % options_.members);
    for (int i = 0; i < window; ++i) PublishFrom(index, room, MonotonicNanos());
  }
}

void Swarm::StopPublishing() {
  window_ = 0;
  interval_ns_ = 0;
}

void Swarm::StartRecording() {
  recording_ = true;
  recording_since_ns_ = MonotonicNanos();
}

void Swarm::PublishDue(uint64_t now_ns) {
  while (next_due_ns_ <= static_cast<double>(now_ns)) {
    const int publisher = static_cast<int>(sequence_ % static_cast<uint64_t>(publishers_));
    const int room = publisher % options_.rooms;
    const int member = publisher / options_.rooms % options_.members;
    if (recording_) lateness_.Add(now_ns - static_cast<uint64_t>(next_due_ns_));
    PublishFrom(MemberOf(room, member), room, MonotonicNanos());
    next_due_ns_ += interval_ns_;
  }
}

void Swarm::PublishFrom(int index, int room, uint64_t now_ns) {
  const uint64_t id = sequence_++;
  Connection& c = connections_[index];
  if (c.fd < 0) return;
  if (!c.unacked) c.unacked = std::make_unique<std::queue<uint64_t>>();
  c.unacked->push(now_ns);
  ++counters_.published;
  counters_.expected += static_cast<uint64_t>(options_.members);
  SendFrame(
      index, Opcode::kText,
      protocol_->Publish(absl::StrCat(options_.room_prefix, room), id, payload_.Stamp(now_ns)));
}

}  // namespace covet::bench
