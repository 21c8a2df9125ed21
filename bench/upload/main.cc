// Uploads files of zeros over WebSocket, each over a connection and a thread of its own, in binary
// chunks with a full window in flight, and prints one JSON object: the bytes and the seconds from
// the first start to the last file_upload_complete. Not a client to learn from: it trusts the
// server's messages to look as they do.

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "bench/load/jwt.h"
#include "bench/wire/websocket.h"

ABSL_FLAG(int, port, 8000, "The server's port on loopback.");
ABSL_FLAG(std::string, jwt_secret, "", "The secret that signs tokens.");
ABSL_FLAG(std::string, jwt_key_id, "", "Its id.");
ABSL_FLAG(std::string, jwt_roles, "", "The role in tokens.");
ABSL_FLAG(int64_t, bytes, 256 << 20, "The size of each file.");
ABSL_FLAG(int64_t, chunk, 256 << 10, "The size of a chunk.");
ABSL_FLAG(int, uploads, 1, "Uploads at the same time.");

namespace covet::bench {
namespace {

[[noreturn]] void Die(const std::string& what) {
  std::fprintf(stderr, "covet-upload: %s\n", what.c_str());
  std::exit(1);
}

std::string Sha256Hex(std::string_view data) {
  unsigned char digest[32];
  EVP_Digest(data.data(), data.size(), digest, nullptr, EVP_sha256(), nullptr);
  return absl::BytesToHexString({reinterpret_cast<char*>(digest), sizeof digest});
}

class Connection {
 public:
  Connection(int port, const std::string& token) {
    fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) Die("connect");
    const int one = 1;
    ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    Write(absl::StrCat("GET /ws?token=", token,
                       " HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
                       "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                       "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"));
    size_t end;
    while ((end = input_.find("\r\n\r\n")) == std::string::npos) Read();
    if (input_.compare(0, 12, "HTTP/1.1 101") != 0) Die(input_);
    input_.erase(0, end + 4);
  }
  ~Connection() { ::close(fd_); }

  void Write(std::string_view data) {
    while (!data.empty()) {
      const ssize_t written = ::send(fd_, data.data(), data.size(), MSG_NOSIGNAL);
      if (written <= 0) Die("the connection broke");
      data.remove_prefix(static_cast<size_t>(written));
    }
  }

  // The next text message.
  std::string Next() {
    for (;;) {
      FrameView frame;
      const ParseResult result = ParseServerFrame(input_, &frame);
      if (result == ParseResult::kBad) Die("a bad frame");
      if (result == ParseResult::kNeedMore) {
        Read();
        continue;
      }
      std::string payload(frame.payload);
      const Opcode opcode = frame.opcode;
      input_.erase(0, frame.size);
      if (opcode == Opcode::kText) return payload;
      if (opcode == Opcode::kClose) Die("the server closed");
    }
  }

 private:
  void Read() {
    char buffer[16384];
    const ssize_t got = ::recv(fd_, buffer, sizeof buffer, 0);
    if (got <= 0) Die("the connection broke");
    input_.append(buffer, static_cast<size_t>(got));
  }

  int fd_;
  std::string input_;
};

bool IsType(std::string_view message, std::string_view type) {
  return message.find(absl::StrCat("\"type\":\"", std::string(type), "\"")) !=
         std::string_view::npos;
}

int64_t WindowOf(const std::string& ready) {
  constexpr std::string_view kName = "\"window\":";
  const size_t at = ready.find(kName);
  if (at == std::string::npos) Die(ready);
  return std::strtoll(ready.c_str() + at + kName.size(), nullptr, 10);
}

void Upload(int port, const std::string& token, int number, int64_t bytes, int64_t chunk_bytes) {
  Connection connection(port, token);
  const std::string id = absl::StrCat("upload_", ::getpid(), "_", number);
  std::string frame;
  AppendClientFrame(Opcode::kText,
                    absl::StrCat(R"({"type":"file_upload_start","id":")", id,
                                 R"(","data":{"filename":"zeros","mimetype":"text/plain","size":)",
                                 bytes, R"(,"chunk_size":)", chunk_bytes, "}}"),
                    &frame);
  connection.Write(frame);
  std::string message;
  while (!IsType(message = connection.Next(), "file_upload_ready")) {
    if (IsType(message, "error")) Die(message);
  }
  const int64_t window = WindowOf(message);
  const int64_t total = (bytes + chunk_bytes - 1) / chunk_bytes;
  const std::string zeros(static_cast<size_t>(chunk_bytes), '\0');
  int64_t sent = 0;
  int64_t acknowledged = 0;
  for (;;) {
    while (sent < total && sent - acknowledged < window) {
      const std::string_view data = std::string_view(zeros).substr(
          0, static_cast<size_t>(std::min(chunk_bytes, bytes - sent * chunk_bytes)));
      // A client pays for its checksums too.
      const std::string envelope =
          absl::StrCat(R"({"type":"file_chunk","id":"c)", sent, R"(","data":{"upload_id":")", id,
                       R"(","chunk_index":)", sent, R"(,"checksum":")", Sha256Hex(data), "\"}}");
      std::string payload(4, '\0');
      for (int i = 0; i < 4; ++i)
        payload[static_cast<size_t>(i)] = static_cast<char>(envelope.size() >> (24 - 8 * i));
      payload += envelope;
      payload.append(data.data(), data.size());
      frame.clear();
      AppendClientFrame(Opcode::kBinary, payload, &frame);
      connection.Write(frame);
      ++sent;
    }
    message = connection.Next();
    if (IsType(message, "file_chunk_ack")) ++acknowledged;
    if (IsType(message, "error")) Die(message);
    if (IsType(message, "file_upload_complete")) return;
  }
}

int Run() {
  TokenClaims claims;
  claims.subject = "bench";
  claims.roles = {absl::GetFlag(FLAGS_jwt_roles)};
  claims.key_id = absl::GetFlag(FLAGS_jwt_key_id);
  claims.issued_at = std::time(nullptr);
  claims.expires_at = claims.issued_at + 3600;
  const std::string token = MintToken(claims, absl::GetFlag(FLAGS_jwt_secret));
  const int uploads = absl::GetFlag(FLAGS_uploads);
  const auto begin = std::chrono::steady_clock::now();
  std::vector<std::thread> threads;
  threads.reserve(static_cast<size_t>(uploads));
  for (int i = 0; i < uploads; ++i) {
    threads.emplace_back(Upload, absl::GetFlag(FLAGS_port), token, i, absl::GetFlag(FLAGS_bytes),
                         absl::GetFlag(FLAGS_chunk));
  }
  for (std::thread& thread : threads) thread.join();
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
  std::printf("{\"bytes\":%lld,\"seconds\":%.6f}\n",
              static_cast<long long>(uploads * absl::GetFlag(FLAGS_bytes)), seconds.count());
  return 0;
}

}  // namespace
}  // namespace covet::bench

int main(int argc, char** argv) {
  absl::SetProgramUsageMessage("uploads files over WebSocket and prints how long that took");
  absl::ParseCommandLine(argc, argv);
  return covet::bench::Run();
}
