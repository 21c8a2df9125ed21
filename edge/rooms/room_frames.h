#pragma once

#include <cstdint>
#include <string>

#include "covet/rooms/v1/link.pb.h"
#include "covet/rooms/v1/storage.pb.h"
#include "edge/codec/messages.h"
#include "edge/frame/frame.h"

namespace covet::edge {

// Frames of what rooms say, from what links carry.

Priority FromProto(covet::common::v1::Priority priority);

// A room_event; `"replayed":true,` and `"dropped":N,` may be inserted. The same in every replay.
FramePtr FrameRoomEvent(const std::string& room_id, const std::string& epoch, int64_t offset,
                        const rooms::v1::StoredEvent& event);
// A room_event of type user_activity.
FramePtr FramePresence(const rooms::v1::RoomPresence& presence, MessageEncoder& encoder);
// A stream_data of the room's own metrics; a SubscriptionHead is to be inserted.
FramePtr FrameRoomMetrics(const rooms::v1::RoomMetrics& metrics, MessageEncoder& encoder);
FramePtr FrameNotification(const rooms::v1::LinkNotification& notification,
                           MessageEncoder& encoder);

}  // namespace covet::edge
