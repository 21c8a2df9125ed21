#pragma once

#include <array>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "edge/codec/client_messages.h"
#include "edge/session/request_rules.h"

namespace covet::edge {

class Session;

// Answers some kinds of client messages for all sessions of one edge thread. What every request has
// in common (ids, rates, draining) the session has seen to before.
class RequestHandler {
 public:
  virtual ~RequestHandler() = default;
  // `message` is good only during the call.
  virtual void Handle(Session& session, const ClientMessage& message) = 0;
  // The session ends: what the handler has under way for it ends unanswered. Once for each session;
  // no Handle follows, and nothing may be told to the session any more.
  virtual void OnSessionEnd(Session& /*session*/) {}
  // The session's socket has drained after backpressure (ConnectionHandler::OnDrained).
  virtual void OnSessionDrained(Session& /*session*/) {}
};

// Who answers what. One per edge thread, filled before its first session.
class MessageRouter {
 public:
  // Handlers must outlive the router. A later one for the same kind replaces the earlier. Once for
  // each handler.
  template <typename... Bodies>
  void Route(RequestHandler* handler) {
    ((handlers_[KindOf<Bodies>()] = handler), ...);
    distinct_.push_back(handler);
  }
  // Adds to what connection_ack offers.
  void Offer(std::string_view capability) { capabilities_.push_back(capability); }

  RequestHandler& HandlerOf(const ClientBody& body) const { return *handlers_[body.index()]; }
  void EndSession(Session& session) const {
    for (RequestHandler* handler : distinct_) handler->OnSessionEnd(session);
  }
  void DrainSession(Session& session) const {
    for (RequestHandler* handler : distinct_) handler->OnSessionDrained(session);
  }
  const std::vector<std::string_view>& capabilities() const { return capabilities_; }

 private:
  std::array<RequestHandler*, std::variant_size_v<ClientBody>> handlers_{};
  std::vector<RequestHandler*> distinct_;  // Each is routed to once.
  std::vector<std::string_view> capabilities_;
};

}  // namespace covet::edge
