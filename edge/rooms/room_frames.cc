#include "edge/rooms/room_frames.h"

#include <utility>
#include <vector>

#include "common/payload/struct_json.h"

namespace covet::edge {
namespace {

FramePtr ToFrame(EncodedMessage message) {
  return Frame::Text(std::move(message.text), message.splice);
}

}  // namespace

Priority FromProto(covet::common::v1::Priority priority) {
  return priority == covet::common::v1::PRIORITY_UNSPECIFIED ? Priority::kNormal
                                                             : static_cast<Priority>(priority);
}

FramePtr FrameRoomEvent(const std::string& room_id, const std::string& epoch, int64_t offset,
                        const rooms::v1::StoredEvent& event) {
  RoomEvent message;
  message.room_id = room_id;
  message.epoch = epoch;
  message.offset = offset;
  message.event_type = event.event_type();
  message.user_id = event.user_id();
  message.session_id = event.session_id();
  message.payload = event.payload();
  message.time_ms = event.time_ms();
  message.priority = FromProto(event.priority());
  message.correlation_id = event.correlation_id();
  return ToFrame(EncodeRoomEvent(message));
}

FramePtr FramePresence(const rooms::v1::RoomPresence& presence, MessageEncoder& encoder) {
  Presence message;
  message.room_id = presence.room_id();
  message.action = presence.action();
  message.user_id = presence.user_id();
  message.member_count = presence.member_count();
  message.time_ms = presence.time_ms();
  return ToFrame(encoder.Activity(message));
}

FramePtr FrameRoomMetrics(const rooms::v1::RoomMetrics& metrics, MessageEncoder& encoder) {
  return ToFrame(encoder.RoomMetrics(metrics.room_id(), metrics.record()));
}

FramePtr FrameNotification(const rooms::v1::LinkNotification& notification,
                           MessageEncoder& encoder) {
  const rooms::v1::Notification& content = notification.content();
  std::vector<std::string> params(content.actions_size());
  std::vector<NotificationAction> actions;
  for (int i = 0; i < content.actions_size(); ++i) {
    const rooms::v1::NotificationAction& action = content.actions(i);
    if (action.has_params()) {
      if (auto json = payload::PayloadToJson(action.params()); json.ok())
        params[i] = *std::move(json);
    }
    actions.push_back({action.label(), action.action(), params[i]});
  }
  NotificationMessage message;
  message.notification_id = notification.notification_id();
  message.notification_type = content.notification_type();
  message.title = content.title();
  message.message = content.message();
  message.category = content.category();
  message.actions = actions;
  message.auto_dismiss = content.auto_dismiss();
  message.dismiss_after_ms = content.dismiss_after();
  message.time_ms = notification.time_ms();
  message.priority = FromProto(notification.priority());
  message.correlation_id = notification.correlation_id();
  return Frame::Text(encoder.Notification(message));
}

}  // namespace covet::edge
