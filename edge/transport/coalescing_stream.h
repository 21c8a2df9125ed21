#pragma once

#include <algorithm>
#include <boost/asio/associator.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/bind_handler.hpp>
#include <boost/beast/core/role.hpp>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "edge/frame/frame_header.h"
#include "edge/transport/asio_types.h"
#include "edge/transport/deflated_frames.h"
#include "edge/transport/edge_loop.h"
#include "edge/transport/outbox.h"

namespace covet::edge {

// What the stream tells the connection above it.
class StreamOwner {
 public:
  // Keeps the owner, and so the stream, alive for an operation of the stream's.
  virtual std::shared_ptr<void> KeepAlive() = 0;
  // Bytes came in.
  virtual void OnReceived() = 0;
  // The websocket layer has something to be flushed.
  virtual void OnOutput() = 0;
  // A write that had to wait has ended: call Flush, and see to what follows.
  virtual void OnWriteReady() = 0;

 protected:
  ~StreamOwner() = default;
};

// Goes over the first `bytes` of what a read brought.
template <typename Buffers>
void ScanBuffers(DeflatedFrames& frames, const Buffers& buffers, size_t bytes) {
  for (auto it = net::buffer_sequence_begin(buffers);
       bytes > 0 && it != net::buffer_sequence_end(buffers); ++it) {
    const net::mutable_buffer buffer(*it);
    const size_t size = std::min(bytes, buffer.size());
    frames.Scan(static_cast<char*>(buffer.data()), size);
    bytes -= size;
  }
}

// Counts what a read brought before the websocket layer sees it.
template <typename Buffers, typename Handler>
struct CountingReadHandler {
  void operator()(const ErrorCode& error, size_t bytes) {
    if (bytes > 0) {
      loop->mutable_counters().bytes_in.Add(bytes);
      owner->OnReceived();
      if (frames != nullptr) ScanBuffers(*frames, buffers, bytes);
    }
    handler(error, bytes);
  }

  EdgeLoop* loop;
  StreamOwner* owner;
  DeflatedFrames* frames;  // Null without permessage-deflate.
  Buffers buffers;
  Handler handler;
};

// The layer below beast::websocket::stream. Beast reads through it, and what Beast writes (pongs,
// close frames, the handshake's response: whole chunks, one write each) joins the connection's
// outbox and completes at once while few such bytes wait. Messages never pass through Beast. Flush
// writes what the outbox holds, with one system call (or TLS write) where the socket takes it all.
template <typename Lower>
class CoalescingStream {
 public:
  using executor_type = Executor;

  // `preread` is read before what the socket brings.
  CoalescingStream(EdgeLoop* loop, StreamOwner* owner, Lower lower, std::string preread)
      : loop_(loop),
        owner_(owner),
        outbox_(&loop->options().queue),
        lower_(std::move(lower)),
        preread_(std::move(preread)) {}

  executor_type get_executor() { return lower_.get_executor(); }
  Outbox& outbox() { return outbox_; }
  const Outbox& outbox() const { return outbox_; }
  Lower& lower() { return lower_; }

  // The client may compress: from now on the websocket layer sees plain messages, and deflated()
  // tells what they were. To be called before the first read.
  void ExpectDeflated() { frames_ = std::make_unique<DeflatedFrames>(); }
  // Null without permessage-deflate.
  DeflatedFrames* deflated() { return frames_.get(); }

  // The code of the close frame that the websocket layer sent by itself, answering the peer's or
  // failing the connection; 0 if none, 1005 if the frame held none.
  uint16_t websocket_close_code() const { return websocket_close_code_; }

  // Writes until the outbox is empty or the socket full. After an error nothing is written any
  // more.
  void Flush();
  const ErrorCode& write_error() const { return write_error_; }
  // All is handed to the kernel.
  bool flushed() const { return outbox_.empty() && !write_pending_; }
  // As Outbox::OldestQueuedAt, what a TLS write holds included.
  int64_t OldestQueuedAt(int64_t none) const {
    const int64_t oldest = outbox_.OldestQueuedAt(none);
    return Lower::kDirectWrite || !write_pending_ ? oldest : std::min(oldest, write_started_ms_);
  }
  // The connection is over: closes the socket; what the websocket layer waits for ends with an
  // error.
  void Close();

  // AsyncReadStream, AsyncWriteStream, SyncStream, as far as beast::websocket::stream uses them.
  template <typename Buffers, typename Handler>
  void async_read_some(const Buffers& buffers, Handler&& handler);
  template <typename Buffers, typename Handler>
  void async_write_some(const Buffers& buffers, Handler&& handler);
  template <typename Buffers>
  size_t write_some(const Buffers& buffers, ErrorCode& error);
  template <typename Buffers>
  size_t write_some(const Buffers& buffers) {
    ErrorCode ignored;
    return write_some(buffers, ignored);
  }
  template <typename Buffers>
  size_t read_some(const Buffers&, ErrorCode& error) {
    error = net::error::operation_not_supported;
    return 0;
  }
  template <typename Buffers>
  size_t read_some(const Buffers&) {
    return 0;
  }

 private:
  // Bytes of control frames that may wait before a write of the websocket layer, and so its
  // reading, waits too.
  static constexpr size_t kMaxControlBytes = 4096;
  static constexpr size_t kMaxBatchBytes = Lower::kDirectWrite ? 256 << 10 : 64 << 10;

  // A write of the websocket layer that waits for the socket.
  struct HeldWrite {
    virtual ~HeldWrite() = default;
    virtual void Complete(Executor executor, ErrorCode error) = 0;
  };
  template <typename Handler>
  struct HeldWriteOf final : HeldWrite {
    HeldWriteOf(Handler h, size_t n) : handler(std::move(h)), bytes(n) {}
    void Complete(Executor executor, ErrorCode error) override {
      net::post(executor,
                boost::beast::bind_front_handler(std::move(handler), error, error ? 0 : bytes));
    }
    Handler handler;
    size_t bytes;
  };

  void Enqueue(std::string_view chunk);
  void FlushDirect();
  void FlushThroughBuffer();
  void Wait();
  void ReleaseHeldWrite(ErrorCode error) {
    if (held_write_) std::exchange(held_write_, nullptr)->Complete(get_executor(), error);
  }
  void CountWritten(size_t messages, size_t bytes) {
    TransportCounters& counters = loop_->mutable_counters();
    counters.writes.Add();
    counters.messages_out.Add(messages);
    counters.bytes_out.Add(bytes);
  }

  EdgeLoop* loop_;
  StreamOwner* owner_;
  bool write_pending_ = false;  // The socket is full, or a TLS write under way.
  uint16_t websocket_close_code_ = 0;
  Outbox outbox_;
  Lower lower_;
  ErrorCode write_error_;
  int64_t write_started_ms_ = 0;
  std::string preread_;
  std::string tls_buffer_;
  std::unique_ptr<HeldWrite> held_write_;
  std::unique_ptr<DeflatedFrames> frames_;
};

template <typename Lower>
template <typename Buffers, typename Handler>
void CoalescingStream<Lower>::async_read_some(const Buffers& buffers, Handler&& handler) {
  if (preread_.empty()) {
    lower_.async_read_some(
        buffers, CountingReadHandler<Buffers, std::decay_t<Handler>>{
                     loop_, owner_, frames_.get(), buffers, std::forward<Handler>(handler)});
    return;
  }
  const size_t bytes = net::buffer_copy(buffers, net::buffer(preread_));
  if (frames_ != nullptr) ScanBuffers(*frames_, buffers, bytes);
  preread_.erase(0, bytes);
  if (preread_.empty()) std::string().swap(preread_);
  net::post(get_executor(),
            boost::beast::bind_front_handler(std::forward<Handler>(handler), ErrorCode(), bytes));
}

template <typename Lower>
template <typename Buffers, typename Handler>
void CoalescingStream<Lower>::async_write_some(const Buffers& buffers, Handler&& handler) {
  ErrorCode error;
  const size_t bytes = write_some(buffers, error);
  if (!error && outbox_.control_bytes() > kMaxControlBytes) {
    held_write_ =
        std::make_unique<HeldWriteOf<std::decay_t<Handler>>>(std::forward<Handler>(handler), bytes);
    return;
  }
  net::post(get_executor(),
            boost::beast::bind_front_handler(std::forward<Handler>(handler), error, bytes));
}

template <typename Lower>
template <typename Buffers>
size_t CoalescingStream<Lower>::write_some(const Buffers& buffers, ErrorCode& error) {
  error = write_error_;
  if (error) return 0;
  std::string chunk(net::buffer_size(buffers), '\0');
  net::buffer_copy(net::buffer(chunk), buffers);
  Enqueue(chunk);
  return chunk.size();
}

template <typename Lower>
void CoalescingStream<Lower>::Enqueue(std::string_view chunk) {
  constexpr char kCloseFrame = static_cast<char>(0x80 | kOpcodeClose);
  if (!chunk.empty() && chunk[0] == kCloseFrame) {
    // Once the connection has sent its own, the answer to the peer's is already given.
    if (!outbox_.finishing()) {
      const auto byte = [&](size_t i) { return static_cast<uint8_t>(chunk[i]); };
      websocket_close_code_ =
          chunk.size() >= 4 ? static_cast<uint16_t>(byte(2) << 8 | byte(3)) : 1005;
    }
    outbox_.Finish(std::string(chunk), loop_->NowMillis());
  } else {
    outbox_.AddControl(chunk, loop_->NowMillis());
  }
  owner_->OnOutput();
}

template <typename Lower>
void CoalescingStream<Lower>::Flush() {
  if (write_pending_ || write_error_) return;
  if constexpr (Lower::kDirectWrite) {
    FlushDirect();
  } else {
    FlushThroughBuffer();
  }
  if (outbox_.control_bytes() <= kMaxControlBytes) ReleaseHeldWrite(write_error_);
}

template <typename Lower>
void CoalescingStream<Lower>::FlushDirect() {
  WriteBatch& batch = loop_->batch();
  while (!outbox_.empty()) {
    outbox_.Gather(loop_->NowMillis(), kMaxBatchBytes, &batch);
    const size_t wanted = batch.bytes();
    if (wanted == 0) {
      // All that waited was past its ttl.
      outbox_.Written(&batch, 0);
      continue;
    }
    ErrorCode error;
    const size_t written = lower_.TryWrite(batch.iov(), batch.iov_count(), &error);
    const size_t messages = outbox_.Written(&batch, written);
    if (error && error != net::error::would_block && error != net::error::try_again) {
      write_error_ = error;
      return;
    }
    CountWritten(messages, written);
    if (written < wanted) {
      loop_->mutable_counters().writes_blocked.Add();
      write_pending_ = true;
      lower_.AsyncWaitWritable([this, alive = owner_->KeepAlive()](const ErrorCode& wait_error) {
        write_pending_ = false;
        if (wait_error && !write_error_) write_error_ = wait_error;
        owner_->OnWriteReady();
      });
      return;
    }
  }
}

template <typename Lower>
void CoalescingStream<Lower>::FlushThroughBuffer() {
  WriteBatch& batch = loop_->batch();
  while (!outbox_.empty()) {
    outbox_.Gather(loop_->NowMillis(), kMaxBatchBytes, &batch);
    for (int i = 0; i < batch.iov_count(); ++i) {
      tls_buffer_.append(static_cast<const char*>(batch.iov()[i].iov_base), batch.iov()[i].iov_len);
    }
    // What the buffer holds counts as sent; its age is watched, and it is no more than a batch.
    const size_t messages = outbox_.Written(&batch, batch.bytes());
    if (tls_buffer_.empty()) continue;
    CountWritten(messages, tls_buffer_.size());
    write_pending_ = true;
    write_started_ms_ = loop_->NowMillis();
    net::async_write(lower_, net::buffer(tls_buffer_),
                     [this, alive = owner_->KeepAlive()](const ErrorCode& error, size_t) {
                       write_pending_ = false;
                       std::string().swap(tls_buffer_);
                       if (error && !write_error_) write_error_ = error;
                       owner_->OnWriteReady();
                     });
    return;
  }
}

template <typename Lower>
void CoalescingStream<Lower>::Close() {
  if (!write_error_) write_error_ = net::error::operation_aborted;
  lower_.Close();
  ReleaseHeldWrite(write_error_);
}

// Found by argument-dependent lookup from Beast. The connection ends the socket itself once its
// last frame has left, so that the websocket layer has nothing to tear down.
template <typename Lower>
void beast_close_socket(CoalescingStream<Lower>& stream) {
  stream.Close();
}

template <typename Lower, typename Handler>
void async_teardown(boost::beast::role_type, CoalescingStream<Lower>& stream, Handler&& handler) {
  net::post(stream.get_executor(),
            boost::beast::bind_front_handler(std::forward<Handler>(handler), ErrorCode()));
}

template <typename Lower>
void teardown(boost::beast::role_type, CoalescingStream<Lower>&, ErrorCode& error) {
  error = {};
}

}  // namespace covet::edge

// The wrapped handler's allocator, executor and cancellation slot are the wrapper's.
template <template <typename, typename> class Associator, typename Buffers, typename Handler,
          typename Default>
struct boost::asio::associator<Associator, covet::edge::CountingReadHandler<Buffers, Handler>,
                               Default> : Associator<Handler, Default> {
  static typename Associator<Handler, Default>::type get(
      const covet::edge::CountingReadHandler<Buffers, Handler>& wrapper) noexcept {
    return Associator<Handler, Default>::get(wrapper.handler);
  }
  static auto get(const covet::edge::CountingReadHandler<Buffers, Handler>& wrapper,
                  const Default& fallback) noexcept {
    return Associator<Handler, Default>::get(wrapper.handler, fallback);
  }
};
