#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "edge/transport/connection.h"

namespace covet::edge {

// A request's line and headers; views, good only during the call.
struct HttpRequest {
  std::string_view method;
  std::string_view target;
  std::vector<std::pair<std::string_view, std::string_view>> headers;
  // As Connection::remote_address.
  std::string_view remote_address;
  size_t thread_index = 0;
  bool tls = false;

  // The first header of that name, in any case; nullopt if there is none.
  std::optional<std::string_view> Header(std::string_view name) const;
};

// A response's body that comes in pieces. Every call and callback is made on the connection's
// thread.
class HttpBody {
 public:
  virtual ~HttpBody() = default;
  // Asks for the next piece, when the one before has been taken by the socket. `done` runs once,
  // after the call has returned: with a piece, or with nothing if the body cannot go on, which
  // breaks the connection off.
  virtual void Next(std::function<void(std::optional<std::string>)> done) = 0;
  // Nothing more is wanted; `done` is dropped. Also after the last piece.
  virtual void Cancel() = 0;
};

class HttpPending;

struct HttpResponse {
  int status = 200;
  std::vector<std::pair<std::string, std::string>> headers =
      {};  // Without Content-Length and Connection.
  std::string body = {};
  // Comes in place of `body`, with exactly `content_length` bytes.
  std::shared_ptr<HttpBody> stream = nullptr;
  // What Content-Length says where it is not the size of `body`; -1 where it is. The answer to a
  // HEAD request may have one without a body.
  int64_t content_length = -1;
  // The answer comes later; nothing else of this counts.
  std::shared_ptr<HttpPending> pending = nullptr;
};

// An answer that is not known yet. Every call and callback is made on the connection's thread.
class HttpPending {
 public:
  virtual ~HttpPending() = default;
  // Once, at once. `done` runs once, after the call has returned, with an answer that is known.
  virtual void Start(std::function<void(HttpResponse)> done) = 0;
  // The answer is not wanted any more; `done` is dropped.
  virtual void Cancel() = 0;
};

struct UpgradeDecision {
  // Set: the upgrade is refused.
  std::optional<HttpResponse> refusal;
  // Sent as Sec-WebSocket-Protocol unless empty.
  std::string subprotocol;
  // Makes what handles the accepted connection, which it may already use. The connection holds it
  // until after OnClosed and outlives that call. Called at once, on the connection's thread.
  std::function<std::shared_ptr<ConnectionHandler>(Connection& connection)> make_handler;
};

// Decides about WebSocket upgrades. Called on every edge thread; must not block.
class UpgradeHandler {
 public:
  virtual ~UpgradeHandler() = default;
  virtual UpgradeDecision OnUpgrade(const HttpRequest& request) = 0;
};

// Answers requests that are not upgrades. Requests with a body are answered and the connection
// closed, the body unread. Called on every edge thread; must not block.
class HttpHandler {
 public:
  virtual ~HttpHandler() = default;
  virtual HttpResponse OnRequest(const HttpRequest& request) = 0;
};

}  // namespace covet::edge
