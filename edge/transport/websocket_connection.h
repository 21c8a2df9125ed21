#pragma once

#include <simdjson.h>

#include <algorithm>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/websocket/error.hpp>
#include <boost/beast/websocket/stream.hpp>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "edge/frame/frame_header.h"
#include "edge/frame/inflater.h"
#include "edge/transport/coalescing_stream.h"
#include "edge/transport/connection.h"
#include "edge/transport/deflate_offer.h"
#include "edge/transport/edge_loop.h"
#include "edge/transport/http.h"

namespace covet::edge {

// A WebSocket connection over one lower layer, from the handshake's response to the end of the
// socket. Reading, the answers to pings and to the peer's close are Beast's; writing is
// CoalescingStream's. Close frames of our own go round Beast, which then takes the peer's answer
// for a close of the peer's and answers it into the void.
//
// Owns itself until the socket has ended, beyond OnClosed. Owning thread: the loop's.
template <typename Lower>
class WebSocketConnection final : public Connection,
                                  public LoopMember,
                                  public StreamOwner,
                                  public std::enable_shared_from_this<WebSocketConnection<Lower>> {
 public:
  using Request = boost::beast::http::request<boost::beast::http::empty_body>;

  // Accepts a request that is a valid upgrade, as decided. `preread` is what has been read behind
  // it.
  static void Accept(EdgeLoop* loop, Lower lower, std::string preread, std::string remote_address,
                     const Request& request, const UpgradeDecision& decision) {
    auto connection = std::make_shared<WebSocketConnection>(
        loop, std::move(lower), std::move(preread), std::move(remote_address));
    connection->self_ = connection;
    connection->Open(request, decision);
  }

  WebSocketConnection(EdgeLoop* loop, Lower lower, std::string preread, std::string remote_address)
      : LoopMember(loop),
        websocket_(loop, this, std::move(lower), std::move(preread)),
        stream_(&websocket_.next_layer()),
        remote_address_(std::move(remote_address)) {
    loop->mutable_counters().open_sockets.Add();
  }
  ~WebSocketConnection() override { loop().mutable_counters().open_sockets.Sub(); }

  // Connection.
  SendResult Send(Outbound message) override;
  size_t queued_bytes() const override { return stream_->outbox().queued_bytes(); }
  bool behind() const override { return stream_->outbox().behind(); }
  void DropQueued() override { stream_->outbox().DropMessages(); }
  void PauseReading() override {
    if (state_ == State::kOpen) paused_ = true;
  }
  void ResumeReading() override;
  void Ping(std::string payload) override;
  void Close(uint16_t code, std::string reason) override;
  void SetMaxMessageBytes(size_t bytes) override {
    max_message_bytes_ = bytes;
    websocket_.read_message_max(bytes);
  }
  const std::string& remote_address() const override { return remote_address_; }

  // LoopMember.
  void OnSweep(int64_t now_ms) override;
  void OnTurnEnd() override;
  bool Drain(std::string_view reason) override;
  void Abort() override;

  // StreamOwner.
  std::shared_ptr<void> KeepAlive() override { return this->shared_from_this(); }
  void OnReceived() override { last_received_ms_ = loop().ReadClock(); }
  void OnOutput() override { MarkDirty(); }
  void OnWriteReady() override {
    if (state_ != State::kDone) OnTurnEnd();
  }

 private:
  enum class State : uint8_t {
    kOpen,
    kClosing,  // Our close frame is queued; the peer's is awaited.
    kEnded,    // The handler has gone. What is queued leaves, then the socket ends.
    kDone,     // The socket is closed.
  };

  static constexpr uint16_t kNoStatus = 1005;
  static constexpr uint16_t kAbnormal = 1006;
  static constexpr uint16_t kInvalidPayload = 1007;
  static constexpr uint16_t kTooBig = 1009;
  static constexpr uint16_t kGoingAway = 1001;
  static constexpr uint16_t kHeartbeatTimeout = 4408;
  static constexpr uint16_t kSlowConsumer = 4413;

  // What an idle connection holds to read into; most messages fit.
  static constexpr size_t kIdleBuffer = 512;
  // A larger buffer is given back after its message.
  static constexpr size_t kKeptBuffer = 2048;
  // A buffer grows by what the peer announces, but no faster than this or double: announcing is
  // cheap.
  static constexpr size_t kMaxGrowth = 64 << 10;
  // So much leaves at once, without waiting for the end of the turn.
  static constexpr size_t kFlushAtOnce = 128 << 10;
  static constexpr size_t kMaxWaitingPings = 4096;
  // What a thread keeps to inflate messages into.
  static constexpr size_t kKeptInflated = 64 << 10;

  struct ReadHandler {
    void operator()(const ErrorCode& error, size_t bytes) { connection->OnRead(error, bytes); }
    std::shared_ptr<WebSocketConnection> connection;
  };

  void Open(const Request& request, const UpgradeDecision& decision);
  bool OpenWebSocket(const Request& request, const std::string& subprotocol);
  void StartRead();
  void OnRead(const ErrorCode& error, size_t bytes);
  void OnReadEnd(const ErrorCode& error);
  void Deliver();
  void DeliverMessage(std::string_view message, bool text);
  void DeliverCompressed(bool text);
  void Fail(uint16_t code);
  void Grow();
  void CloseSlow();
  void NotifyClosed(uint16_t code);
  void Linger();
  void Finish();

  // First what a delivery touches.
  State state_ = State::kOpen;
  bool reading_ = false;
  bool paused_ = false;
  bool held_ = false;  // A whole message waits for ResumeReading.
  bool delivering_ = false;
  bool finishing_ = false;
  uint16_t close_code_ = 0;  // Of the close frame we queued.
  // Without its own permessage-deflate: the stream below takes care of it.
  boost::beast::websocket::stream<CoalescingStream<Lower>, /*deflateSupported=*/false> websocket_;
  CoalescingStream<Lower>* stream_;
  std::shared_ptr<ConnectionHandler> handler_;
  int64_t last_received_ms_ = 0;
  int64_t deadline_ms_ = 0;  // Of kClosing and kEnded.
  std::unique_ptr<char[]> buffer_;
  size_t capacity_ = 0;
  size_t size_ = 0;
  size_t max_message_bytes_ = 0;
  std::shared_ptr<WebSocketConnection> self_;
  std::string remote_address_;
};

template <typename Lower>
void WebSocketConnection<Lower>::Open(const Request& request, const UpgradeDecision& decision) {
  last_received_ms_ = loop().NowMillis();
  const bool opened = OpenWebSocket(request, decision.subprotocol);
  if (opened) handler_ = decision.make_handler(*this);
  if (!handler_) {
    Linger();
    return;
  }
  loop().mutable_counters().upgrades.Add();
  loop().ConnectionOpened();
  StartRead();
}

template <typename Lower>
bool WebSocketConnection<Lower>::OpenWebSocket(const Request& request,
                                               const std::string& subprotocol) {
  namespace websocket = boost::beast::websocket;
  namespace http = boost::beast::http;
  websocket_.auto_fragment(false);
  SetMaxMessageBytes(loop().options().initial_max_message_bytes);
  const auto extensions = request.find(http::field::sec_websocket_extensions);
  std::optional<DeflateOffer> offer;
  if (extensions != request.end() && loop().options().compression) {
    offer = ChooseDeflateOffer(extensions->value());
  }
  if (offer) {
    stream_->ExpectDeflated();
    stream_->outbox().set_deflate(!offer->small_server_window);
  }
  websocket_.set_option(websocket::stream_base::decorator([&](websocket::response_type& response) {
    response.set(http::field::server, "covet");
    if (offer) response.set(http::field::sec_websocket_extensions, offer->answer);
    if (!subprotocol.empty()) response.set(http::field::sec_websocket_protocol, subprotocol);
  }));
  websocket_.control_callback(
      [this](websocket::frame_type kind, boost::beast::string_view payload) {
        if (kind != websocket::frame_type::pong || state_ != State::kOpen) return;
        handler_->OnPong(std::string_view(payload.data(), payload.size()));
      });
  ErrorCode error;
  websocket_.accept(request, error);
  websocket_.set_option(websocket::stream_base::decorator([](websocket::response_type&) {}));
  return !error;
}

template <typename Lower>
SendResult WebSocketConnection<Lower>::Send(Outbound message) {
  if (state_ != State::kOpen) return SendResult::kDropped;
  Outbox& outbox = stream_->outbox();
  const SendResult result = outbox.Send(std::move(message), loop().NowMillis());
  if (outbox.queued_bytes() > kFlushAtOnce) stream_->Flush();
  MarkDirty();
  return result;
}

template <typename Lower>
void WebSocketConnection<Lower>::ResumeReading() {
  if (!paused_) return;
  paused_ = false;
  // While nothing was read, silence meant nothing.
  last_received_ms_ = loop().NowMillis();
  if (!held_) return StartRead();
  net::post(loop().io_context(), [self = this->shared_from_this()] {
    if (!self->held_ || self->paused_) return;
    self->held_ = false;
    self->Deliver();
  });
}

template <typename Lower>
void WebSocketConnection<Lower>::Ping(std::string payload) {
  if (state_ != State::kOpen || stream_->outbox().control_bytes() > kMaxWaitingPings) return;
  std::string frame;
  AppendPing(payload, &frame);
  stream_->outbox().AddControl(frame, loop().NowMillis());
  MarkDirty();
}

template <typename Lower>
void WebSocketConnection<Lower>::Close(uint16_t code, std::string reason) {
  if (state_ != State::kOpen) return;
  state_ = State::kClosing;
  close_code_ = code;
  deadline_ms_ = loop().NowMillis() + loop().options().close_timeout_ms;
  std::string frame;
  AppendClose(code, reason, &frame);
  stream_->outbox().Finish(std::move(frame), loop().NowMillis());
  MarkDirty();
  paused_ = false;
  if (std::exchange(held_, false)) size_ = 0;
  StartRead();
}

template <typename Lower>
void WebSocketConnection<Lower>::StartRead() {
  if (reading_ || delivering_ || paused_ || held_) return;
  if (state_ != State::kOpen && state_ != State::kClosing) return;
  if (size_ == capacity_) Grow();
  reading_ = true;
  websocket_.async_read_some(net::buffer(buffer_.get() + size_, capacity_ - size_),
                             ReadHandler{this->shared_from_this()});
}

template <typename Lower>
void WebSocketConnection<Lower>::Grow() {
  size_t wanted = kIdleBuffer;
  if (size_ > 0) {
    const size_t announced = size_ + websocket_.read_size_hint(kIdleBuffer);
    const size_t twice = 2 * capacity_;
    wanted = std::clamp(announced, twice, std::max(twice, capacity_ + kMaxGrowth));
  }
  std::unique_ptr<char[]> grown(std::make_unique_for_overwrite<char[]>(wanted));
  if (size_ > 0) std::memcpy(grown.get(), buffer_.get(), size_);
  buffer_ = std::move(grown);
  capacity_ = wanted;
}

template <typename Lower>
void WebSocketConnection<Lower>::OnRead(const ErrorCode& error, size_t bytes) {
  reading_ = false;
  if (state_ == State::kDone) return;
  if (error) return OnReadEnd(error);
  size_ += bytes;
  if (!websocket_.is_message_done()) return StartRead();
  if (paused_) {
    held_ = true;
    return;
  }
  Deliver();
}

template <typename Lower>
void WebSocketConnection<Lower>::Deliver() {
  DeflatedFrames::Message message = {.compressed = false, .text = websocket_.got_text()};
  if (stream_->deflated() != nullptr) message = stream_->deflated()->Take();
  if (state_ == State::kOpen) {
    loop().mutable_counters().messages_in.Add();
    if (message.compressed) {
      DeliverCompressed(message.text);
    } else {
      DeliverMessage(std::string_view(buffer_.get(), size_), message.text);
    }
  }
  size_ = 0;
  if (capacity_ > kKeptBuffer) {
    buffer_.reset();
    capacity_ = 0;
  }
  StartRead();
}

template <typename Lower>
void WebSocketConnection<Lower>::DeliverMessage(std::string_view message, bool text) {
  delivering_ = true;
  if (text) {
    handler_->OnText(message);
  } else {
    handler_->OnBinary(message);
  }
  delivering_ = false;
}

template <typename Lower>
void WebSocketConnection<Lower>::DeliverCompressed(bool text) {
  std::string& inflated = loop().inflated();
  const InflateResult result =
      Inflate(std::string_view(buffer_.get(), size_), max_message_bytes_, &inflated);
  if (result == InflateResult::kTooLarge) {
    Fail(kTooBig);
  } else if (result != InflateResult::kDone ||
             (text && !simdjson::validate_utf8(inflated.data(), inflated.size()))) {
    Fail(kInvalidPayload);
  } else {
    DeliverMessage(inflated, text);
  }
  if (inflated.capacity() > kKeptInflated) std::string().swap(inflated);
}

// As the websocket layer does it for what it sees itself.
template <typename Lower>
void WebSocketConnection<Lower>::Fail(uint16_t code) {
  std::string frame;
  AppendClose(code, "", &frame);
  stream_->outbox().Finish(std::move(frame), loop().NowMillis());
  loop().mutable_counters().protocol_errors.Add();
  NotifyClosed(code);
  Linger();
}

template <typename Lower>
void WebSocketConnection<Lower>::OnReadEnd(const ErrorCode& error) {
  namespace websocket = boost::beast::websocket;
  if (error == websocket::error::closed) {
    const uint16_t received = websocket_.reason().code;
    NotifyClosed(close_code_ != 0 ? close_code_ : received != 0 ? received : kNoStatus);
    return Linger();
  }
  if (error.category() == ErrorCode(websocket::error::closed).category()) {
    // Beast has queued a close frame.
    const uint16_t code = close_code_ != 0 ? close_code_ : stream_->websocket_close_code();
    loop().mutable_counters().protocol_errors.Add();
    NotifyClosed(code);
    return Linger();
  }
  NotifyClosed(close_code_ != 0 ? close_code_ : kAbnormal);
  Finish();
}

template <typename Lower>
void WebSocketConnection<Lower>::OnTurnEnd() {
  Outbox& outbox = stream_->outbox();
  if (const uint32_t dropped = outbox.TakeDropped())
    loop().mutable_counters().messages_dropped.Add(dropped);
  stream_->Flush();
  if (stream_->write_error()) {
    NotifyClosed(close_code_ != 0 ? close_code_ : kAbnormal);
    Finish();
    return;
  }
  if (state_ == State::kOpen && outbox.overflowed()) CloseSlow();
  if (state_ == State::kOpen && outbox.TakeDrained()) handler_->OnDrained();
  if (state_ == State::kEnded && stream_->flushed() && !finishing_) {
    finishing_ = true;
    stream_->lower().AsyncFinish(
        loop().discard(), [self = this->shared_from_this()](const ErrorCode&) { self->Finish(); });
  }
}

template <typename Lower>
void WebSocketConnection<Lower>::OnSweep(int64_t now_ms) {
  if (state_ == State::kDone) return;
  if (state_ != State::kOpen) {
    if (now_ms < deadline_ms_) return;
    NotifyClosed(close_code_);
    Finish();
    return;
  }
  const TransportOptions& options = loop().options();
  stream_->outbox().ReleaseIdle();
  if (now_ms - stream_->OldestQueuedAt(now_ms) > options.max_head_age_ms) {
    CloseSlow();
  } else if (!paused_ && now_ms - last_received_ms_ > options.idle_timeout_ms) {
    loop().mutable_counters().closed_idle.Add();
    Close(kHeartbeatTimeout, "heartbeat timeout");
  } else {
    handler_->OnTick(now_ms);
  }
}

template <typename Lower>
bool WebSocketConnection<Lower>::Drain(std::string_view reason) {
  if (state_ != State::kOpen) return false;
  Close(kGoingAway, std::string(reason));
  return true;
}

template <typename Lower>
void WebSocketConnection<Lower>::Abort() {
  NotifyClosed(close_code_ != 0 ? close_code_ : kGoingAway);
  Finish();
}

template <typename Lower>
void WebSocketConnection<Lower>::CloseSlow() {
  loop().mutable_counters().closed_slow.Add();
  stream_->outbox().DropMessages();
  Close(kSlowConsumer, "slow consumer");
}

template <typename Lower>
void WebSocketConnection<Lower>::NotifyClosed(uint16_t code) {
  if (!handler_) return;
  state_ = State::kEnded;
  const std::shared_ptr<ConnectionHandler> handler = std::exchange(handler_, nullptr);
  loop().ConnectionClosed();
  handler->OnClosed(code);
}

template <typename Lower>
void WebSocketConnection<Lower>::Linger() {
  state_ = State::kEnded;
  deadline_ms_ = loop().NowMillis() + loop().options().close_timeout_ms;
  MarkDirty();
}

template <typename Lower>
void WebSocketConnection<Lower>::Finish() {
  if (state_ == State::kDone) return;
  state_ = State::kDone;
  stream_->Close();
  // Not destroyed under the caller's feet.
  net::post(loop().io_context(), [self = std::move(self_)] {});
}

}  // namespace covet::edge
