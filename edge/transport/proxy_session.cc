#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <memory>
#include <string_view>
#include <utility>

#include "common/limits/proxy_protocol.h"
#include "edge/transport/session.h"

namespace covet::edge {
namespace {

using Next = std::function<void(TcpSocket socket, std::string peer)>;

// Takes exactly the header's bytes from the socket: what follows may be a TLS handshake, which
// reads for itself. Kept alive by its one pending operation.
class ProxySession final : public LoopMember, public std::enable_shared_from_this<ProxySession> {
 public:
  ProxySession(EdgeLoop* loop, TcpSocket socket, std::string peer, int64_t deadline_ms, Next next)
      : LoopMember(loop),
        socket_(std::move(socket)),
        peer_(std::move(peer)),
        deadline_ms_(deadline_ms),
        next_(std::move(next)) {
    loop->mutable_counters().open_sockets.Add();
  }
  ~ProxySession() override { loop().mutable_counters().open_sockets.Sub(); }

  void Wait() {
    socket_.async_wait(TcpSocket::wait_read, [self = shared_from_this()](const ErrorCode& error) {
      if (!error) self->Read();
    });
  }

  // LoopMember.
  void OnSweep(int64_t now_ms) override {
    if (now_ms >= deadline_ms_) Fail();
  }
  void OnTurnEnd() override {}
  bool Drain(std::string_view /*reason*/) override {
    Abort();
    return true;
  }
  void Abort() override {
    ErrorCode ignored;
    socket_.close(ignored);
  }

 private:
  void Fail() {
    loop().mutable_counters().handshake_failures.Add();
    Abort();
  }

  void Read() {
    std::array<char, limits::kMaxProxyHeaderBytes> peeked;
    const ssize_t size =
        ::recv(socket_.native_handle(), peeked.data(), peeked.size(), MSG_PEEK | MSG_DONTWAIT);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) return Wait();
    if (size <= 0) return Fail();
    const size_t before = header_.size();
    header_.append(peeked.data(), static_cast<size_t>(size));
    const limits::ProxyHeader parsed = limits::ParseProxyHeader(header_);
    if (parsed.state == limits::ProxyParse::kInvalid) return Fail();
    const bool complete = parsed.state == limits::ProxyParse::kDone;
    // An incomplete header owns all that came; leaving it would wake us at once, for nothing.
    const size_t take = complete ? parsed.consumed - before : static_cast<size_t>(size);
    if (::recv(socket_.native_handle(), peeked.data(), take, MSG_DONTWAIT) !=
        static_cast<ssize_t>(take)) {
      return Fail();
    }
    if (!complete) return Wait();
    next_(std::move(socket_), parsed.source ? parsed.source->ToString() : std::move(peer_));
  }

  TcpSocket socket_;
  std::string peer_;
  const int64_t deadline_ms_;
  Next next_;
  std::string header_;
};

}  // namespace

void StartProxyHeader(EdgeLoop* loop, TcpSocket socket, std::string peer, int64_t deadline_ms,
                      Next next) {
  std::make_shared<ProxySession>(loop, std::move(socket), std::move(peer), deadline_ms,
                                 std::move(next))
      ->Wait();
}

}  // namespace covet::edge
