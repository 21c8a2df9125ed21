#include "edge/rooms/link_decoder.h"

#include <algorithm>
#include <utility>

#include "covet/rooms/v1/storage.pb.h"
#include "edge/rooms/room_frames.h"

namespace covet::edge {
namespace {

using rooms::v1::OwnerItem;

}  // namespace

int64_t LinkDecoder::ToSteady(int64_t owner_ms) const {
  // 0 stands for never, so what has just ended ends at 1 at the earliest.
  return owner_ms == 0 ? 0 : std::max<int64_t>(1, steady_now_ms_ + owner_ms - owner_now_ms_);
}

HubEventPtr LinkDecoder::DecodeEvent(const std::string& room_id, const std::string& epoch,
                                     int64_t offset, const std::string& record) const {
  auto event = std::make_shared<HubEvent>();
  event->offset = offset;
  rooms::v1::StoredEvent stored;
  if (record.empty() || !stored.ParseFromString(record)) return event;
  event->frame = FrameRoomEvent(room_id, epoch, offset, stored);
  event->event_type = std::move(*stored.mutable_event_type());
  event->priority = FromProto(stored.priority());
  event->expires_at_ms = ToSteady(stored.expires_ms());
  return event;
}

void LinkDecoder::DecodePage(const std::string& room_id, rooms::v1::LinkReadResult& read,
                             PageResult* page) const {
  page->epoch = read.epoch();
  page->first_offset = read.first_offset();
  page->last_looked = read.last_offset();
  page->events.reserve(read.records_size());
  for (const rooms::v1::LinkRecord& record : read.records()) {
    page->events.push_back(DecodeEvent(room_id, read.epoch(), record.offset(), record.event()));
  }
}

void LinkDecoder::Decode(OwnerItem& item, LinkBatch& batch) const {
  switch (item.kind_case()) {
    case OwnerItem::kRecords: {
      batch.credit_bytes += static_cast<int64_t>(item.ByteSizeLong());
      rooms::v1::RoomRecords& records = *item.mutable_records();
      RecordsItem out{
          std::move(*records.mutable_room_id()), std::move(*records.mutable_epoch()), {}};
      out.events.reserve(records.events_size());
      int64_t offset = records.first_offset();
      for (const std::string& event : records.events()) {
        out.events.push_back(DecodeEvent(out.room_id, out.epoch, offset++, event));
      }
      batch.items.emplace_back(std::move(out));
      return;
    }
    case OwnerItem::kReply: {
      ReplyItem out;
      out.reply = std::move(*item.mutable_reply());
      if (out.reply.has_read()) {
        DecodePage(out.reply.read().room_id(), *out.reply.mutable_read(), &out.page);
        out.reply.clear_read();
      }
      batch.items.emplace_back(std::move(out));
      return;
    }
    case OwnerItem::kPresence: {
      batch.credit_bytes += static_cast<int64_t>(item.ByteSizeLong());
      FramePtr frame = FramePresence(item.presence(), encoder_);
      batch.items.emplace_back(
          PresenceItem{std::move(*item.mutable_presence()->mutable_room_id()), std::move(frame)});
      return;
    }
    case OwnerItem::kHead:
      batch.items.emplace_back(
          HeadItem{item.head().room_id(), item.head().epoch(), item.head().offset()});
      return;
    case OwnerItem::kRoomClosed:
      batch.items.emplace_back(
          ClosedItem{item.room_closed().room_id(), item.room_closed().reason()});
      return;
    case OwnerItem::kMemberRemoved:
      batch.items.emplace_back(RemovedItem{item.member_removed().room_id(),
                                           item.member_removed().session_id(),
                                           item.member_removed().reason()});
      return;
    case OwnerItem::kMetrics: {
      batch.credit_bytes += static_cast<int64_t>(item.ByteSizeLong());
      FramePtr frame = FrameRoomMetrics(item.metrics(), encoder_);
      batch.items.emplace_back(
          MetricsItem{std::move(*item.mutable_metrics()->mutable_room_id()), std::move(frame)});
      return;
    }
    case OwnerItem::kNotification: {
      batch.credit_bytes += static_cast<int64_t>(item.ByteSizeLong());
      const rooms::v1::LinkNotification& notification = item.notification();
      NotificationItem out;
      out.notification_id = notification.notification_id();
      out.frame = FrameNotification(notification, encoder_);
      out.priority = FromProto(notification.priority());
      out.expires_at_ms = ToSteady(notification.expires_ms());
      out.session_ids.assign(notification.session_ids().begin(), notification.session_ids().end());
      out.room_id = notification.room_id();
      out.acknowledge = notification.acknowledge();
      batch.items.emplace_back(std::move(out));
      return;
    }
    case OwnerItem::kNotificationRead: {
      NotificationReadItem out;
      out.notification_id = item.notification_read().notification_id();
      out.session_ids.assign(item.notification_read().session_ids().begin(),
                             item.notification_read().session_ids().end());
      batch.items.emplace_back(std::move(out));
      return;
    }
    case OwnerItem::KIND_NOT_SET:
      return;  // A newer owner's; an older edge does without.
  }
}

}  // namespace covet::edge
