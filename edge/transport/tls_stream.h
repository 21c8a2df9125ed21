#pragma once

#include <boost/asio/buffer.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <utility>

#include "edge/transport/asio_types.h"

namespace covet::edge {

// TLS over a TCP socket as the transport's lowest layer; see PlainStream.
class TlsStream {
 public:
  using executor_type = Executor;

  static constexpr bool kDirectWrite = false;
  static constexpr bool kTls = true;

  TlsStream(TcpSocket socket, net::ssl::context& context) : stream_(std::move(socket), context) {}

  Executor get_executor() { return stream_.next_layer().get_executor(); }

  template <typename Handler>
  void AsyncHandshake(Handler handler) {
    stream_.async_handshake(net::ssl::stream_base::server, std::move(handler));
  }

  template <typename Buffers, typename Handler>
  void async_read_some(const Buffers& buffers, Handler&& handler) {
    stream_.async_read_some(buffers, std::forward<Handler>(handler));
  }

  template <typename Buffers, typename Handler>
  void async_write_some(const Buffers& buffers, Handler&& handler) {
    stream_.async_write_some(buffers, std::forward<Handler>(handler));
  }

  // Exchanges close_notify, or learns that the peer has gone without.
  template <typename Handler>
  void AsyncFinish(net::mutable_buffer /*discard*/, Handler handler) {
    stream_.async_shutdown(std::move(handler));
  }

  void CancelRead() {
    ErrorCode ignored;
    stream_.next_layer().cancel(ignored);
  }

  void Close() {
    ErrorCode ignored;
    stream_.next_layer().close(ignored);
  }

 private:
  net::ssl::stream<TcpSocket> stream_;
};

}  // namespace covet::edge
