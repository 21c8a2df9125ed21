#pragma once

#include <openssl/ssl.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace covet::edge {

// A frame as read from a server.
struct RawFrame {
  bool fin = false;
  bool rsv1 = false;
  int opcode = -1;  // -1: the connection ended before a frame.
  std::string payload;

  bool end() const { return opcode < 0; }
  // Of a close frame; 1005 if it holds none.
  uint16_t close_code() const;
};

// A blocking client for tests that says what it is told, right or wrong: raw bytes over TCP or TLS
// and hand-made frames. Every wait ends after 10 s, as if the peer had closed.
class RawClient {
 public:
  RawClient() = default;
  ~RawClient();
  RawClient(RawClient&& other) noexcept;
  RawClient& operator=(RawClient&&) = delete;

  // `receive_buffer` bounds the socket's receive buffer if not 0, in bytes; `from` is an address of
  // this host, in text.
  bool Connect(uint16_t port, int receive_buffer = 0, const char* from = nullptr);
  // A TLS handshake over the connection; certificates are not verified.
  bool StartTls();
  // As Connect, then an upgrade of `target` that must be accepted.
  bool ConnectWebSocket(uint16_t port, std::string_view target = "/",
                        std::string_view extra_headers = "", int receive_buffer = 0);

  bool Write(std::string_view bytes);
  // A response's status line and headers, the blank line included; empty if the connection ended.
  std::string ReadHead();
  std::string ReadBytes(size_t count);
  // Everything to the end of the connection.
  std::string ReadToEnd();
  // Sends the end of the stream and goes on reading.
  void ShutdownWrite();
  // Resets the connection.
  void Reset();
  // The client's own port, 0 if not connected.
  uint16_t local_port() const;

  static std::string UpgradeRequest(std::string_view target = "/",
                                    std::string_view extra_headers = "");
  static std::string MaskedFrame(int opcode, std::string_view payload, bool fin = true,
                                 bool rsv1 = false);
  static std::string CloseFrame(uint16_t code);

  bool SendText(std::string_view text) { return Write(MaskedFrame(1, text)); }
  RawFrame ReadFrame();
  // Frames up to the next of that opcode, which is returned; or the end.
  RawFrame ReadUntil(int opcode);

 private:
  size_t ReadSome(char* out, size_t size);

  int fd_ = -1;
  SSL_CTX* context_ = nullptr;
  SSL* ssl_ = nullptr;
  std::string input_;
};

// What a permessage-deflate payload without context takeover inflates to.
std::string InflateMessage(std::string payload);
// The opposite, for clients that send compressed.
std::string DeflateForTest(std::string_view text);

}  // namespace covet::edge
