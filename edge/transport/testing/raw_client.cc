#include "edge/transport/testing/raw_client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <utility>

#include "edge/frame/deflater.h"

namespace covet::edge {
namespace {

constexpr timeval kPatience = {.tv_sec = 10, .tv_usec = 0};
constexpr char kMask[4] = {0x12, 0x34, 0x56, 0x78};

}  // namespace

uint16_t RawFrame::close_code() const {
  if (payload.size() < 2) return 1005;
  return static_cast<uint16_t>(static_cast<uint8_t>(payload[0]) << 8 |
                               static_cast<uint8_t>(payload[1]));
}

RawClient::RawClient(RawClient&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      context_(std::exchange(other.context_, nullptr)),
      ssl_(std::exchange(other.ssl_, nullptr)),
      input_(std::move(other.input_)) {}

RawClient::~RawClient() {
  SSL_free(ssl_);
  SSL_CTX_free(context_);
  if (fd_ >= 0) ::close(fd_);
}

bool RawClient::Connect(uint16_t port, int receive_buffer, const char* from) {
  fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (receive_buffer > 0) {
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof(receive_buffer));
  }
  const int on = 1;
  ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &kPatience, sizeof(kPatience));
  ::setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &kPatience, sizeof(kPatience));
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  if (from != nullptr) {
    if (::inet_pton(AF_INET, from, &address.sin_addr) != 1 ||
        ::bind(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
      return false;
    }
  }
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return ::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
}

bool RawClient::StartTls() {
  context_ = SSL_CTX_new(TLS_client_method());
  ssl_ = SSL_new(context_);
  SSL_set_fd(ssl_, fd_);
  return SSL_connect(ssl_) == 1;
}

bool RawClient::ConnectWebSocket(uint16_t port, std::string_view target,
                                 std::string_view extra_headers, int receive_buffer) {
  return Connect(port, receive_buffer) && Write(UpgradeRequest(target, extra_headers)) &&
         ReadHead().rfind("HTTP/1.1 101 ", 0) == 0;
}

bool RawClient::Write(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ssl_ ? SSL_write(ssl_, bytes.data(), static_cast<int>(bytes.size()))
                                 : ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (written <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return true;
}

size_t RawClient::ReadSome(char* out, size_t size) {
  const ssize_t read =
      ssl_ ? SSL_read(ssl_, out, static_cast<int>(size)) : ::recv(fd_, out, size, 0);
  return read > 0 ? static_cast<size_t>(read) : 0;
}

std::string RawClient::ReadHead() {
  for (;;) {
    const size_t end = input_.find("\r\n\r\n");
    if (end != std::string::npos) {
      std::string head = input_.substr(0, end + 4);
      input_.erase(0, end + 4);
      return head;
    }
    char buffer[4096];
    const size_t read = ReadSome(buffer, sizeof(buffer));
    if (read == 0) return "";
    input_.append(buffer, read);
  }
}

std::string RawClient::ReadBytes(size_t count) {
  std::string bytes = input_.substr(0, count);
  input_.erase(0, bytes.size());
  while (bytes.size() < count) {
    char buffer[65536];
    const size_t read = ReadSome(buffer, std::min(sizeof(buffer), count - bytes.size()));
    if (read == 0) break;
    bytes.append(buffer, read);
  }
  return bytes;
}

std::string RawClient::ReadToEnd() { return ReadBytes(static_cast<size_t>(-1)); }

void RawClient::ShutdownWrite() { ::shutdown(fd_, SHUT_WR); }

void RawClient::Reset() {
  const linger immediate = {.l_onoff = 1, .l_linger = 0};
  ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &immediate, sizeof(immediate));
  ::close(std::exchange(fd_, -1));
}

uint16_t RawClient::local_port() const {
  sockaddr_in address = {};
  socklen_t size = sizeof(address);
  ::getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size);
  return ntohs(address.sin_port);
}

std::string RawClient::UpgradeRequest(std::string_view target, std::string_view extra_headers) {
  std::string request = "GET " + std::string(target) + " HTTP/1.1\r\n";
  request +=
      "Host: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: "
      "13\r\n"
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
  request += extra_headers;
  request += "\r\n";
  return request;
}

std::string RawClient::MaskedFrame(int opcode, std::string_view payload, bool fin, bool rsv1) {
  std::string frame;
  frame.push_back(static_cast<char>((fin ? 0x80 : 0) | (rsv1 ? 0x40 : 0) | opcode));
  const int length_bytes = payload.size() < 126 ? 0 : payload.size() <= 0xffff ? 2 : 8;
  const size_t marker = length_bytes == 0 ? payload.size() : length_bytes == 2 ? 126 : 127;
  frame.push_back(static_cast<char>(0x80 | marker));
  for (int i = length_bytes - 1; i >= 0; --i)
    frame.push_back(static_cast<char>(payload.size() >> (8 * i)));
  frame.append(kMask, sizeof(kMask));
  for (size_t i = 0; i < payload.size(); ++i)
    frame.push_back(static_cast<char>(payload[i] ^ kMask[i % 4]));
  return frame;
}

std::string RawClient::CloseFrame(uint16_t code) {
  const char payload[2] = {static_cast<char>(code >> 8), static_cast<char>(code & 0xff)};
  return MaskedFrame(8, std::string_view(payload, sizeof(payload)));
}

RawFrame RawClient::ReadFrame() {
  RawFrame frame;
  const std::string header = ReadBytes(2);
  if (header.size() < 2) return frame;
  size_t length = static_cast<uint8_t>(header[1]) & 0x7f;
  if (length >= 126) {
    const std::string extended = ReadBytes(length == 126 ? 2 : 8);
    length = 0;
    for (const char byte : extended) length = length << 8 | static_cast<uint8_t>(byte);
  }
  frame.payload = ReadBytes(length);
  if (frame.payload.size() < length) return frame;
  frame.fin = header[0] & 0x80;
  frame.rsv1 = header[0] & 0x40;
  frame.opcode = header[0] & 0x0f;
  return frame;
}

RawFrame RawClient::ReadUntil(int opcode) {
  RawFrame frame;
  do {
    frame = ReadFrame();
  } while (!frame.end() && frame.opcode != opcode);
  return frame;
}

std::string InflateMessage(std::string payload) {
  payload.append("\x00\x00\xff\xff", 4);
  z_stream stream = {};
  if (inflateInit2(&stream, -15) != Z_OK) return "";
  stream.next_in = reinterpret_cast<Bytef*>(payload.data());
  stream.avail_in = static_cast<uInt>(payload.size());
  std::string out;
  char buffer[4096];
  do {
    stream.next_out = reinterpret_cast<Bytef*>(buffer);
    stream.avail_out = sizeof(buffer);
    const int result = inflate(&stream, Z_SYNC_FLUSH);
    if (result != Z_OK && result != Z_BUF_ERROR) break;
    out.append(buffer, sizeof(buffer) - stream.avail_out);
  } while (stream.avail_out == 0);
  inflateEnd(&stream);
  return out;
}

std::string DeflateForTest(std::string_view text) {
  std::string out;
  DeflateMessage(text, &out);
  return out;
}

}  // namespace covet::edge
