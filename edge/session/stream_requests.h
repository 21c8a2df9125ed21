#pragma once

#include <string_view>

#include "edge/codec/client_messages.h"
#include "edge/codec/messages.h"
#include "edge/session/router.h"

namespace covet::edge {

// Answers what concerns subscriptions, by the thread's StreamGateway: their beginnings, and their
// ends, which for a room's metrics are RoomRequests' doing. Without a gateway there is no stream.
class StreamRequests final : public RequestHandler {
 public:
  void Handle(Session& session, const ClientMessage& message) override;
  void OnSessionEnd(Session& session) override;

 private:
  static void OnSubscribe(Session& session, const ClientMessage& message,
                          const SubscribeMessage& subscribe);
  static void OnUnsubscribe(Session& session, const ClientMessage& message,
                            const UnsubscribeMessage& unsubscribe);
};

// What answers an `unsubscribe`.
void SendUnsubscribed(Session& session, std::string_view subscription_id, const ReplyTo& to);
// What answers one of a subscription that there is not.
ErrorMessage NoSubscription(std::string_view subscription_id);

}  // namespace covet::edge
