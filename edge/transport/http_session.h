#pragma once

#include <boost/asio/buffer.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/websocket/rfc6455.hpp>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/limits/address.h"
#include "edge/transport/edge_loop.h"
#include "edge/transport/http.h"
#include "edge/transport/http_response.h"
#include "edge/transport/websocket_connection.h"

namespace covet::edge {

// The HTTP/1.1 part of a connection: reads request headers against a deadline, answers them through
// the HttpHandler, and hands the socket to a WebSocketConnection when the UpgradeHandler accepts.
// Request bodies are not read: such a request is answered and the connection closed. A streamed
// body goes out piece by piece, the next one asked for when the socket has taken the last; a client
// that takes nothing for the keep-alive timeout is closed.
//
// Kept alive by its one pending operation, which may be the wait for an answer or a piece. Owning
// thread: the loop's.
template <typename Lower>
class HttpSession final : public LoopMember,
                          public std::enable_shared_from_this<HttpSession<Lower>> {
 public:
  // `peer` is the address at the other end, after PROXY protocol; `deadline_ms` ends the first
  // request's header.
  static void Start(EdgeLoop* loop, Lower lower, std::string peer, int64_t deadline_ms) {
    auto session =
        std::make_shared<HttpSession>(loop, std::move(lower), std::move(peer), deadline_ms);
    session->lower_.AsyncHandshake(
        [session](const ErrorCode& error) { session->OnHandshake(error); });
  }

  HttpSession(EdgeLoop* loop, Lower lower, std::string peer, int64_t deadline_ms)
      : LoopMember(loop),
        lower_(std::move(lower)),
        peer_(std::move(peer)),
        deadline_ms_(deadline_ms) {
    loop->mutable_counters().open_sockets.Add();
    loop->pending_sockets().Add(peer_);
  }
  ~HttpSession() override {
    loop().mutable_counters().open_sockets.Sub();
    loop().pending_sockets().Remove(peer_);
  }

  // LoopMember.
  void OnSweep(int64_t now_ms) override;
  void OnTurnEnd() override {}
  bool Drain(std::string_view /*reason*/) override;
  void Abort() override { Break(); }

 private:
  enum class State : uint8_t { kHandshake, kReading, kResponding, kFinishing };

  using Request = boost::beast::http::request<boost::beast::http::empty_body>;

  static constexpr size_t kFirstRead = 1024;

  void OnHandshake(const ErrorCode& error);
  void Read();
  void OnRead(const ErrorCode& error, size_t bytes);
  // Handles a whole header if there is one, else reads on.
  void Advance();
  void OnHeader(size_t size);
  void OnUpgrade(const Request& request, const HttpRequest& view);
  // Now, or when the answer is known.
  void Answer(const HttpResponse& response, bool head_only, bool keep_alive);
  void Respond(const HttpResponse& response, bool head_only, bool keep_alive);
  void NextPiece(bool keep_alive);
  void OnPiece(std::optional<std::string> piece, bool keep_alive);
  void WritePiece(bool keep_alive);
  void FinishResponse(bool keep_alive);
  // Closes the socket and lets go of what the response waits for. May destroy the session.
  void Break();
  void Touch() { deadline_ms_ = loop().NowMillis() + loop().options().http_keep_alive_timeout_ms; }
  void Fail(int status);
  HttpRequest View(const Request& request);

  Lower lower_;
  const std::string peer_;
  std::string remote_address_;
  State state_ = State::kHandshake;
  bool timed_out_ = false;
  int64_t deadline_ms_;
  std::string input_;  // What has been read and not handled.
  size_t input_size_ = 0;
  size_t searched_ = 0;
  std::string output_;
  // The response under way.
  std::shared_ptr<HttpPending> pending_;
  std::shared_ptr<HttpBody> body_;
  int64_t body_left_ = 0;  // Bytes.
  std::string piece_;
  size_t piece_written_ = 0;
};

template <typename Lower>
void HttpSession<Lower>::OnSweep(int64_t now_ms) {
  if (now_ms < deadline_ms_) return;
  if (state_ != State::kReading || timed_out_) {
    if (state_ == State::kHandshake) loop().mutable_counters().handshake_failures.Add();
    return Break();
  }
  // The read ends with an error, and OnRead answers.
  timed_out_ = true;
  lower_.CancelRead();
}

template <typename Lower>
bool HttpSession<Lower>::Drain(std::string_view /*reason*/) {
  // Between two requests there is nothing to lose; a request under way is answered.
  if (state_ != State::kReading || input_size_ > 0) return false;
  lower_.Close();
  return true;
}

template <typename Lower>
void HttpSession<Lower>::OnHandshake(const ErrorCode& error) {
  if (error) {
    // One that was closed for its time has been counted.
    if (error != net::error::operation_aborted) loop().mutable_counters().handshake_failures.Add();
    return;
  }
  state_ = State::kReading;
  Read();
}

template <typename Lower>
void HttpSession<Lower>::Read() {
  const size_t limit = loop().options().max_header_bytes;
  if (input_size_ == input_.size())
    input_.resize(std::min(std::max(kFirstRead, 2 * input_size_), limit));
  lower_.async_read_some(net::buffer(input_.data() + input_size_, input_.size() - input_size_),
                         [self = this->shared_from_this()](const ErrorCode& error, size_t bytes) {
                           self->OnRead(error, bytes);
                         });
}

template <typename Lower>
void HttpSession<Lower>::OnRead(const ErrorCode& error, size_t bytes) {
  if (timed_out_) {
    if (input_size_ > 0) return Fail(408);
    lower_.Close();
    return;
  }
  if (error) {
    if (input_size_ > 0) loop().mutable_counters().handshake_failures.Add();
    return;
  }
  loop().mutable_counters().bytes_in.Add(bytes);
  // A kept connection's next request has begun.
  if (input_size_ == 0 && searched_ == 0 && output_.size() > 0) {
    output_.clear();
    deadline_ms_ = loop().NowMillis() + loop().options().handshake_timeout_ms;
  }
  input_size_ += bytes;
  Advance();
}

template <typename Lower>
void HttpSession<Lower>::Advance() {
  const std::string_view input(input_.data(), input_size_);
  const size_t end = input.find("\r\n\r\n", searched_);
  if (end != std::string_view::npos) return OnHeader(end + 4);
  searched_ = input_size_ > 3 ? input_size_ - 3 : 0;
  if (input_size_ >= loop().options().max_header_bytes) return Fail(431);
  Read();
}

template <typename Lower>
void HttpSession<Lower>::OnHeader(size_t size) {
  namespace http = boost::beast::http;
  http::request_parser<http::empty_body> parser;
  parser.header_limit(static_cast<uint32_t>(loop().options().max_header_bytes));
  ErrorCode error;
  parser.put(net::buffer(input_.data(), size), error);
  if ((error && error != http::error::need_more) || !parser.is_header_done()) return Fail(400);
  input_.erase(0, size);
  input_size_ -= size;
  searched_ = 0;
  const Request& request = parser.get();
  const bool has_body = request.count(http::field::content_length) > 0 ||
                        request.count(http::field::transfer_encoding) > 0;
  const HttpRequest view = View(request);
  if (boost::beast::websocket::is_upgrade(request)) {
    if (has_body || request.count(http::field::host) != 1) return Fail(400);
    return OnUpgrade(request, view);
  }
  if (request.version() == 11 && request.count(http::field::host) != 1) return Fail(400);
  loop().mutable_counters().http_requests.Add();
  Answer(loop().shared().http->OnRequest(view), request.method() == http::verb::head,
         request.keep_alive() && !has_body && !loop().draining());
}

template <typename Lower>
void HttpSession<Lower>::OnUpgrade(const Request& request, const HttpRequest& view) {
  namespace http = boost::beast::http;
  const auto refuse = [&](HttpResponse response) {
    loop().mutable_counters().upgrades_refused.Add();
    Respond(response, /*head_only=*/false, /*keep_alive=*/false);
  };
  if (request[http::field::sec_websocket_version] != "13") {
    return refuse({.status = 426, .headers = {{"Sec-WebSocket-Version", "13"}}});
  }
  // 16 bytes of base64 (RFC 6455 section 4.2.1).
  if (request[http::field::sec_websocket_key].size() != 24) return refuse({.status = 400});
  if (loop().draining()) return refuse({.status = 503, .headers = {{"Retry-After", "1"}}});
  const UpgradeDecision decision = loop().shared().upgrade->OnUpgrade(view);
  if (decision.refusal) return refuse(*decision.refusal);
  input_.resize(input_size_);
  WebSocketConnection<Lower>::Accept(&loop(), std::move(lower_), std::move(input_),
                                     std::move(remote_address_), request, decision);
}

template <typename Lower>
HttpRequest HttpSession<Lower>::View(const Request& request) {
  namespace http = boost::beast::http;
  const auto view = [](boost::beast::string_view text) {
    return std::string_view(text.data(), text.size());
  };
  HttpRequest result;
  std::vector<std::string_view> forwarded;
  for (const auto& field : request) {
    result.headers.emplace_back(view(field.name_string()), view(field.value()));
    if (boost::beast::iequals(field.name_string(), "X-Forwarded-For"))
      forwarded.push_back(view(field.value()));
  }
  const limits::NetworkList& trusted = loop().shared().trusted_proxies;
  const std::optional<limits::IpAddress> peer = limits::IpAddress::Parse(peer_);
  remote_address_ = peer ? limits::ResolveClient(*peer, forwarded, trusted).ToString() : peer_;
  result.method = view(request.method_string());
  result.target = view(request.target());
  result.remote_address = remote_address_;
  result.thread_index = loop().index();
  result.tls = Lower::kTls;
  return result;
}

template <typename Lower>
void HttpSession<Lower>::Fail(int status) {
  loop().mutable_counters().handshake_failures.Add();
  Respond({.status = status}, /*head_only=*/false, /*keep_alive=*/false);
}

template <typename Lower>
void HttpSession<Lower>::Answer(const HttpResponse& response, bool head_only, bool keep_alive) {
  if (response.pending == nullptr) return Respond(response, head_only, keep_alive);
  state_ = State::kResponding;
  timed_out_ = false;
  Touch();
  pending_ = response.pending;
  pending_->Start(
      [self = this->shared_from_this(), head_only, keep_alive](const HttpResponse& answer) {
        if (std::exchange(self->pending_, nullptr) == nullptr) return;
        self->Respond(answer, head_only, keep_alive);
      });
}

template <typename Lower>
void HttpSession<Lower>::Respond(const HttpResponse& response, bool head_only, bool keep_alive) {
  state_ = State::kResponding;
  timed_out_ = false;
  Touch();
  output_ = SerializeResponse(response, head_only, keep_alive);
  if (!head_only) {
    body_ = response.stream;
    body_left_ = response.content_length;
  }
  net::async_write(
      lower_, net::buffer(output_),
      [self = this->shared_from_this(), keep_alive](const ErrorCode& error, size_t bytes) {
        self->loop().mutable_counters().bytes_out.Add(bytes);
        if (error) return self->Break();
        if (self->body_ != nullptr) return self->NextPiece(keep_alive);
        self->FinishResponse(keep_alive);
      });
}

template <typename Lower>
void HttpSession<Lower>::NextPiece(bool keep_alive) {
  if (body_left_ == 0) {
    std::exchange(body_, nullptr)->Cancel();
    return FinishResponse(keep_alive);
  }
  body_->Next([self = this->shared_from_this(), keep_alive](std::optional<std::string> piece) {
    self->OnPiece(std::move(piece), keep_alive);
  });
}

template <typename Lower>
void HttpSession<Lower>::OnPiece(std::optional<std::string> piece, bool keep_alive) {
  if (body_ == nullptr) return;
  // Less, or more, than what was announced.
  if (!piece || piece->empty() || static_cast<int64_t>(piece->size()) > body_left_) return Break();
  Touch();
  piece_ = *std::move(piece);
  piece_written_ = 0;
  body_left_ -= static_cast<int64_t>(piece_.size());
  WritePiece(keep_alive);
}

template <typename Lower>
void HttpSession<Lower>::WritePiece(bool keep_alive) {
  lower_.async_write_some(
      net::buffer(piece_.data() + piece_written_, piece_.size() - piece_written_),
      [self = this->shared_from_this(), keep_alive](const ErrorCode& error, size_t bytes) {
        self->loop().mutable_counters().bytes_out.Add(bytes);
        if (error) return self->Break();
        self->Touch();
        self->piece_written_ += bytes;
        if (self->piece_written_ < self->piece_.size()) return self->WritePiece(keep_alive);
        // A slow reader's next piece may be long in coming.
        std::string().swap(self->piece_);
        self->NextPiece(keep_alive);
      });
}

template <typename Lower>
void HttpSession<Lower>::FinishResponse(bool keep_alive) {
  if (keep_alive && !loop().draining()) {
    state_ = State::kReading;
    return Advance();
  }
  state_ = State::kFinishing;
  deadline_ms_ = loop().NowMillis() + loop().options().close_timeout_ms;
  lower_.AsyncFinish(loop().discard(), [self = this->shared_from_this()](const ErrorCode&) {});
}

template <typename Lower>
void HttpSession<Lower>::Break() {
  lower_.Close();
  // They hold what holds this.
  const auto pending = std::exchange(pending_, nullptr);
  const auto body = std::exchange(body_, nullptr);
  if (pending) pending->Cancel();
  if (body) body->Cancel();
}

}  // namespace covet::edge
