#pragma once

#include <sys/uio.h>

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <boost/beast/core/bind_handler.hpp>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "edge/transport/asio_types.h"

namespace covet::edge {

// A connection without a socket, as the transport's lowest layer (see PlainStream): what comes in
// is given in chunks, the end of them is the end of the stream; what goes out is kept; writes are
// cut and refused as told.
class MemoryStream {
 public:
  using executor_type = Executor;

  static constexpr bool kDirectWrite = true;
  static constexpr bool kTls = false;

  // Outlives the stream.
  struct State {
    std::vector<std::string> input;
    // How many bytes each write takes, in turn; 0 refuses one. Beyond them writes take everything.
    std::vector<size_t> write_sizes;
    size_t next_input = 0;
    size_t next_write = 0;
    std::string output;
    bool closed = false;
    // The end of the input is silence, not the end of the stream; the read that waits is destroyed
    // by Close.
    bool hold_open = false;
    std::shared_ptr<void> waiting_read;
  };

  MemoryStream(Executor executor, State* state) : executor_(executor), state_(state) {}

  Executor get_executor() { return executor_; }

  template <typename Handler>
  void AsyncHandshake(Handler handler) {
    net::post(executor_, [handler = std::move(handler)]() mutable { handler(ErrorCode()); });
  }

  template <typename Buffers, typename Handler>
  void async_read_some(const Buffers& buffers, Handler&& handler) {
    ErrorCode error;
    size_t bytes = 0;
    if (state_->closed) {
      error = net::error::operation_aborted;
    } else if (state_->next_input == state_->input.size() && state_->hold_open) {
      state_->waiting_read =
          std::make_shared<std::decay_t<Handler>>(std::forward<Handler>(handler));
      return;
    } else if (state_->next_input == state_->input.size()) {
      error = net::error::eof;
    } else {
      std::string& chunk = state_->input[state_->next_input];
      bytes = net::buffer_copy(buffers, net::buffer(chunk));
      chunk.erase(0, bytes);
      if (chunk.empty()) ++state_->next_input;
    }
    net::post(executor_,
              boost::beast::bind_front_handler(std::forward<Handler>(handler), error, bytes));
  }

  template <typename Buffers, typename Handler>
  void async_write_some(const Buffers& buffers, Handler&& handler) {
    std::string bytes(net::buffer_size(buffers), '\0');
    net::buffer_copy(net::buffer(bytes), buffers);
    state_->output += bytes;
    net::post(executor_, boost::beast::bind_front_handler(std::forward<Handler>(handler),
                                                          ErrorCode(), bytes.size()));
  }

  size_t TryWrite(const iovec* iov, int count, ErrorCode* error) {
    if (state_->closed) {
      *error = net::error::broken_pipe;
      return 0;
    }
    size_t room = static_cast<size_t>(-1);
    if (state_->next_write < state_->write_sizes.size())
      room = state_->write_sizes[state_->next_write++];
    if (room == 0) {
      *error = net::error::would_block;
      return 0;
    }
    size_t written = 0;
    for (int i = 0; i < count && written < room; ++i) {
      const size_t part = std::min(iov[i].iov_len, room - written);
      state_->output.append(static_cast<const char*>(iov[i].iov_base), part);
      written += part;
    }
    return written;
  }

  template <typename Handler>
  void AsyncWaitWritable(Handler&& handler) {
    net::post(executor_,
              boost::beast::bind_front_handler(std::forward<Handler>(handler), ErrorCode()));
  }

  template <typename Handler>
  void AsyncFinish(net::mutable_buffer /*discard*/, Handler handler) {
    state_->next_input = state_->input.size();
    net::post(executor_, [handler = std::move(handler)]() mutable { handler(net::error::eof); });
  }

  void CancelRead() {}
  void Close() {
    state_->closed = true;
    state_->waiting_read.reset();
  }

 private:
  Executor executor_;
  State* state_;
};

}  // namespace covet::edge
