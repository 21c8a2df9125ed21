#include "services/rooms/rooms_options.h"

#include "common/config/config.h"

namespace covet::rooms {
namespace {

using config::Millis;

eventlog::Retention ToRetention(const v1::Retention& retention) {
  return {Millis(retention.max_age()), retention.max_count(), retention.max_bytes()};
}

}  // namespace

RoomsOptions OptionsFrom(const config::v1::Config& config) {
  const config::v1::RoomsConfig& rooms = config.rooms();
  RoomsOptions options;
  options.default_retention = ToRetention(rooms.default_retention());
  for (const config::v1::RoomPatternConfig& pattern : rooms.patterns()) {
    options.patterns.push_back({pattern.pattern(), ToRetention(pattern.retention()),
                                pattern.durability() == v1::DURABILITY_MEMORY,
                                Millis(pattern.ephemeral_ttl())});
  }
  for (const config::v1::StaticRoomConfig& fixed : rooms.rooms()) {
    v1::Room& room = options.static_rooms.emplace_back();
    room.set_room_id(fixed.room_id());
    *room.mutable_metadata() = fixed.metadata();
    if (fixed.has_created_at()) *room.mutable_created_at() = fixed.created_at();
    if (fixed.has_retention()) *room.mutable_retention() = fixed.retention();
    room.set_durability(fixed.durability());
    *room.mutable_grants() = fixed.grants();
  }
  options.presence_grace_ms = Millis(rooms.presence_grace());
  options.presence_count_threshold = rooms.presence_count_threshold();
  options.metrics_interval_ms = Millis(rooms.metrics_interval());
  options.lease_ms = Millis(rooms.lease());
  options.dedup_window_ms = Millis(rooms.dedup_window());
  options.max_payload_bytes = config.limits().payload_bytes();
  // Half of what the log takes, so that the log itself never has to refuse.
  options.max_inflight_bytes = config.storage().queue_bytes() / 2;
  options.total_cache_bytes = static_cast<size_t>(config.storage().cache_bytes());
  return options;
}

}  // namespace covet::rooms
