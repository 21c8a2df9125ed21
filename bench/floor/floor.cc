#include "bench/floor/floor.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <thread>

#include "absl/strings/str_cat.h"
#include "bench/wire/websocket.h"

namespace covet::bench {
namespace {

constexpr size_t kBufferSize = 64 * 1024;

// The text between `begin` and `end`; empty if either is missing.
std::string_view Between(std::string_view text, std::string_view begin, std::string_view end) {
  const size_t at = text.find(begin);
  if (at == std::string_view::npos) return {};
  text.remove_prefix(at + begin.size());
  const size_t stop = text.find(end);
  return stop == std::string_view::npos ? std::string_view() : text.substr(0, stop);
}

bool SendAll(int fd, std::string_view bytes) {
  return send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT) ==
         static_cast<ssize_t>(bytes.size());
}

std::string TextFrame(std::string_view text) {
  std::string frame;
  AppendServerFrame(Opcode::kText, text, &frame);
  return frame;
}

void Watch(int epoll, int fd, uint32_t events) {
  epoll_event event{};
  event.events = events;
  event.data.fd = fd;
  epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Floor>> Floor::Start(const FloorOptions& options) {
  std::unique_ptr<Floor> floor(new Floor());
  for (int i = 0; i < std::max(1, options.threads); ++i) {
    auto thread = std::make_unique<FloorThread>(options, &floor->threads_);
    if (absl::Status status = thread->Listen(); !status.ok()) return status;
    floor->threads_.push_back(std::move(thread));
  }
  return floor;
}

Floor::~Floor() = default;

void Floor::Serve() {
  std::vector<std::thread> others;
  for (size_t i = 1; i < threads_.size(); ++i) {
    others.emplace_back([this, i] { threads_[i]->Loop(); });
  }
  threads_[0]->Loop();
  for (std::thread& thread : others) thread.join();
}

FloorThread::FloorThread(const FloorOptions& options,
                         const std::vector<std::unique_ptr<FloorThread>>* all)
    : options_(options),
      all_(all),
      epoll_(epoll_create1(EPOLL_CLOEXEC)),
      wake_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)),
      buffer_(kBufferSize) {
  Watch(epoll_, wake_, EPOLLIN | EPOLLET);
}

FloorThread::~FloorThread() {
  for (const auto& [fd, client] : clients_) close(fd);
  if (listener_ >= 0) close(listener_);
  close(wake_);
  close(epoll_);
}

absl::Status FloorThread::Listen() {
  listener_ = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  const int on = 1;
  setsockopt(listener_, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(options_.port);
  if (bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0 ||
      listen(listener_, SOMAXCONN) != 0) {
    return absl::UnavailableError(absl::StrCat("listen: ", strerror(errno)));
  }
  Watch(epoll_, listener_, EPOLLIN);
  return absl::OkStatus();
}

void FloorThread::Loop() {
  std::array<epoll_event, 256> events;
  for (;;) {
    const int count = epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), -1);
    for (int i = 0; i < count; ++i) {
      const int fd = events[i].data.fd;
      if (fd == listener_) {
        Accept();
      } else if (fd == wake_) {
        OnMail();
      } else {
        OnReadable(fd);
      }
    }
  }
}

void FloorThread::Accept() {
  for (;;) {
    const int fd = accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return;
    const int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    clients_.try_emplace(fd);
    Watch(epoll_, fd, EPOLLIN | EPOLLRDHUP);
  }
}

void FloorThread::OnReadable(int fd) {
  const auto it = clients_.find(fd);
  if (it == clients_.end()) return;  // Closed by an earlier event of this turn.
  Client& client = it->second;
  const size_t have = client.partial.size();
  if (have >= kBufferSize) return CloseClient(fd);
  std::memcpy(buffer_.data(), client.partial.data(), have);
  const ssize_t got = recv(fd, buffer_.data() + have, kBufferSize - have, 0);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got <= 0) return CloseClient(fd);
  const size_t size = have + static_cast<size_t>(got);
  const int64_t used = Consume(fd, &client, buffer_.data(), size);
  if (used < 0) return CloseClient(fd);
  client.partial.assign(buffer_.data() + used, size - static_cast<size_t>(used));
}

int64_t FloorThread::Consume(int fd, Client* client, char* bytes, size_t size) {
  size_t used = 0;
  if (!client->upgraded) {
    const std::string_view request(bytes, size);
    const size_t end = request.find("\r\n\r\n");
    if (end == std::string_view::npos) return 0;
    const std::string_view key = Between(request, "Sec-WebSocket-Key: ", "\r\n");
    if (key.empty()) return -1;
    SendAll(fd, absl::StrCat("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                             "Connection: Upgrade\r\nSec-WebSocket-Accept: ",
                             AcceptKey(key), "\r\n\r\n"));
    client->upgraded = true;
    used = end + 4;
  }
  FrameView frame;
  while (used < size) {
    const ParseResult result = ParseClientFrame(bytes + used, size - used, &frame);
    if (result == ParseResult::kNeedMore) break;
    if (result == ParseResult::kBad || frame.opcode == Opcode::kClose) return -1;
    used += frame.size;
    if (frame.opcode == Opcode::kText) OnMessage(fd, client, frame.payload);
  }
  return static_cast<int64_t>(used);
}

void FloorThread::OnMessage(int fd, Client* client, std::string_view text) {
  const std::string room(Between(text, R"("room":")", "\""));
  if (text.starts_with(R"({"op":"join")")) {
    rooms_[room].push_back(fd);
    client->rooms.push_back(room);
    SendAll(fd, TextFrame(R"({"op":"joined"})"));
    return;
  }
  constexpr std::string_view kPayload = R"("payload":)";
  const size_t payload = text.find(kPayload);
  if (payload == std::string_view::npos) return;
  // Begins and ends like an event of the same size; the payload keeps its send time.
  std::string event = R"({"op":"event",)";
  event += text.substr(payload, text.size() - payload - 1);
  event += R"(,"pad":")";
  if (event.size() + 2 < options_.event_bytes) {
    event.append(options_.event_bytes - event.size() - 2, 'x');
  }
  event += "\"}";
  const auto frame = std::make_shared<const std::string>(TextFrame(event));
  for (const auto& thread : *all_) {
    if (thread.get() != this) thread->Post({room, frame});
  }
  Broadcast(room, *frame);
  SendAll(fd,
          TextFrame(R"({"op":"ack","id":)" + std::string(Between(text, R"("id":)", ",")) + "}"));
}

void FloorThread::Broadcast(const std::string& room, const std::string& frame) {
  const auto it = rooms_.find(room);
  if (it == rooms_.end()) return;
  for (int fd : it->second) SendAll(fd, frame);
}

void FloorThread::Post(Mail mail) {
  bool first = false;
  {
    std::lock_guard lock(mutex_);
    first = mail_.empty();
    mail_.push_back(std::move(mail));
  }
  if (first) {
    const uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = write(wake_, &one, sizeof(one));
  }
}

void FloorThread::OnMail() {
  std::vector<Mail> mail;
  {
    std::lock_guard lock(mutex_);
    mail.swap(mail_);
  }
  for (const Mail& item : mail) Broadcast(item.room, *item.frame);
}

void FloorThread::CloseClient(int fd) {
  const auto it = clients_.find(fd);
  if (it == clients_.end()) return;
  for (const std::string& room : it->second.rooms) {
    const auto members = rooms_.find(room);
    if (members == rooms_.end()) continue;
    std::erase(members->second, fd);
    if (members->second.empty()) rooms_.erase(members);
  }
  clients_.erase(it);
  close(fd);
}

}  // namespace covet::bench
