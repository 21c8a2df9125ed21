#include "edge/session/connection_requests.h"

#include <string>
#include <utility>
#include <variant>

#include "common/logging/audit.h"
#include "edge/session/error_replies.h"
#include "edge/session/identity.h"
#include "edge/session/session.h"

namespace covet::edge {

void ConnectionRequests::Handle(Session& session, const ClientMessage& message) {
  if (const auto* heartbeat = std::get_if<HeartbeatMessage>(&message.body)) {
    OnHeartbeat(session, message, *heartbeat);
  } else if (const auto* refresh = std::get_if<AuthRefreshMessage>(&message.body)) {
    OnAuthRefresh(session, message, *refresh);
  } else if (const auto* ack = std::get_if<NotificationAckMessage>(&message.body)) {
    OnNotificationAck(session, message, *ack);
  }
}

void ConnectionRequests::OnHeartbeat(Session& session, const ClientMessage& message,
                                     const HeartbeatMessage& heartbeat) {
  // An answer is never answered.
  if (!message.in_reply_to.empty()) return;
  session.Reply(session.thread().encoder().HeartbeatReply(heartbeat.sequence,
                                                          {message.id, message.correlation_id}),
                message.priority);
}

void ConnectionRequests::OnAuthRefresh(Session& session, const ClientMessage& message,
                                       const AuthRefreshMessage& refresh) {
  if (!session.TakeRefresh(message)) return;
  auto identity = session.thread().shared().authenticator.Authenticate(
      {.token = std::string(refresh.token), .api_key = {}});
  if (identity.ok() && identity->user_id() != session.identity().user_id()) {
    identity = MakeError(ErrorCode::kAuthFailed, "the token names another user");
  }
  if (!identity.ok()) {
    session.Refuse(message, ToErrorMessage(identity.status()));
    session.Offend();
    return;
  }
  const int64_t expires_at_ms = ExpiryMillis(*identity);
  if (session.Renew(*std::move(identity))) {
    audit::Record(audit::event::kTokenRenewed,
                  {{"session_id", session.id()}, {"user_id", session.identity().user_id()}});
  }
  session.Reply(
      session.thread().encoder().AuthRefreshed(expires_at_ms, {message.id, message.correlation_id}),
      message.priority);
}

void ConnectionRequests::OnNotificationAck(Session& session, const ClientMessage& message,
                                           const NotificationAckMessage& ack) {
  // Acknowledgements of what this session was sent are free; the owner is not to be flooded with
  // others.
  if (!session.notifications().Acknowledge(ack.notification_id) && !session.TakeMessage(message)) {
    return;
  }
  session.thread().counters().notifications_acknowledged.Add();
  session.thread().rooms().AckNotification(session.id(), std::string(ack.notification_id),
                                           /*explicit_ack=*/true);
}

}  // namespace covet::edge
