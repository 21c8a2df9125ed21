#pragma once

#include <sys/socket.h>
#include <sys/uio.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/post.hpp>
#include <cerrno>
#include <cstddef>
#include <utility>

#include "edge/transport/asio_types.h"

namespace covet::edge {

// A TCP socket as the transport's lowest layer. What a layer has to offer is said here; TlsStream
// and the fuzzer's memory stream offer the same. Completion handlers are never invoked from inside
// the call.
class PlainStream {
 public:
  // TryWrite and AsyncWaitWritable exist; else writes go through async_write_some.
  using executor_type = Executor;

  static constexpr bool kDirectWrite = true;
  static constexpr bool kTls = false;

  explicit PlainStream(TcpSocket socket) : socket_(std::move(socket)) {}

  Executor get_executor() { return socket_.get_executor(); }

  template <typename Handler>  // void(ErrorCode)
  void AsyncHandshake(Handler handler) {
    net::post(get_executor(), [handler = std::move(handler)]() mutable { handler(ErrorCode()); });
  }

  template <typename Buffers, typename Handler>
  void async_read_some(const Buffers& buffers, Handler&& handler) {
    socket_.async_read_some(buffers, std::forward<Handler>(handler));
  }

  template <typename Buffers, typename Handler>
  void async_write_some(const Buffers& buffers, Handler&& handler) {
    socket_.async_write_some(buffers, std::forward<Handler>(handler));
  }

  // Writes what the socket takes at once, with one system call. Returns the bytes; `error` is
  // would_block if it took none.
  size_t TryWrite(const iovec* iov, int count, ErrorCode* error) {
    ssize_t written;
    do {
      if (count == 1) {
        written = ::send(socket_.native_handle(), iov->iov_base, iov->iov_len,
                         MSG_NOSIGNAL | MSG_DONTWAIT);
      } else {
        msghdr message = {};
        message.msg_iov = const_cast<iovec*>(iov);
        message.msg_iovlen = static_cast<size_t>(count);
        written = ::sendmsg(socket_.native_handle(), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
      }
    } while (written < 0 && errno == EINTR);
    if (written >= 0) return static_cast<size_t>(written);
    *error = ErrorCode(errno, boost::system::system_category());
    return 0;
  }

  template <typename Handler>  // void(ErrorCode)
  void AsyncWaitWritable(Handler&& handler) {
    socket_.async_wait(TcpSocket::wait_write, std::forward<Handler>(handler));
  }

  // Tells the peer that nothing more comes, and completes when it has ended too. Whatever it still
  // sends goes to `discard`: closing over unread bytes would reset the connection and could destroy
  // what was sent last.
  template <typename Handler>  // void(ErrorCode)
  void AsyncFinish(net::mutable_buffer discard, Handler handler) {
    ErrorCode ignored;
    socket_.shutdown(TcpSocket::shutdown_send, ignored);
    DiscardUntilEnd(discard, std::move(handler));
  }

  // A pending read completes with an error.
  void CancelRead() {
    ErrorCode ignored;
    socket_.cancel(ignored);
  }

  // Closes at once; pending operations complete with an error.
  void Close() {
    ErrorCode ignored;
    socket_.close(ignored);
  }

 private:
  template <typename Handler>
  void DiscardUntilEnd(net::mutable_buffer discard, Handler handler) {
    socket_.async_read_some(discard, [this, discard, handler = std::move(handler)](
                                         const ErrorCode& error, size_t) mutable {
      if (error) return handler(error);
      DiscardUntilEnd(discard, std::move(handler));
    });
  }

  TcpSocket socket_;
};

}  // namespace covet::edge
