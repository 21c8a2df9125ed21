#pragma once

#include "edge/codec/client_messages.h"
#include "edge/session/router.h"

namespace covet::edge {

// Answers what concerns the connection itself: heartbeats, renewed tokens, acknowledged
// notifications.
class ConnectionRequests final : public RequestHandler {
 public:
  void Handle(Session& session, const ClientMessage& message) override;

 private:
  static void OnHeartbeat(Session& session, const ClientMessage& message,
                          const HeartbeatMessage& heartbeat);
  static void OnAuthRefresh(Session& session, const ClientMessage& message,
                            const AuthRefreshMessage& refresh);
  static void OnNotificationAck(Session& session, const ClientMessage& message,
                                const NotificationAckMessage& ack);
};

}  // namespace covet::edge
