#pragma once

#include <string_view>

#include "edge/codec/client_messages.h"
#include "edge/session/router.h"

namespace covet::edge {

// Answers what concerns rooms, by the thread's RoomGateway: joins, leaves and messages.
class RoomRequests final : public RequestHandler {
 public:
  void Handle(Session& session, const ClientMessage& message) override;

 private:
  static void OnJoin(Session& session, const ClientMessage& message, const JoinRoomMessage& join);
  static void OnLeave(Session& session, const ClientMessage& message,
                      const LeaveRoomMessage& leave);
  static void OnPublish(Session& session, const ClientMessage& message, const RoomMessage& publish);
};

// Ends the metrics of a room that a join with this id subscribed to; false if there are none.
bool EndRoomMetrics(Session& session, std::string_view subscription_id);

}  // namespace covet::edge
