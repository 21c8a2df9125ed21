#pragma once

#include "edge/codec/client_messages.h"
#include "edge/session/router.h"

namespace covet::edge {

// Answers what concerns rooms, by the thread's RoomGateway: joins, leaves, messages, and the end of
// a room's metrics.
class RoomRequests final : public RequestHandler {
 public:
  void Handle(Session& session, const ClientMessage& message) override;

 private:
  static void OnJoin(Session& session, const ClientMessage& message, const JoinRoomMessage& join);
  static void OnLeave(Session& session, const ClientMessage& message,
                      const LeaveRoomMessage& leave);
  static void OnPublish(Session& session, const ClientMessage& message, const RoomMessage& publish);
  static void OnUnsubscribe(Session& session, const ClientMessage& message,
                            const UnsubscribeMessage& unsubscribe);
};

}  // namespace covet::edge
