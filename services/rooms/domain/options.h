#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/eventlog/event_log.h"
#include "covet/rooms/v1/rooms.pb.h"

namespace covet::rooms {

// Rooms that a first join makes.
struct RoomPattern {
  std::string glob;  // `*` stands for any run of characters.
  eventlog::Retention retention;
  bool memory = false;
  int64_t idle_ttl_ms = 86'400'000;  // From the last member and message to the room's end.
};

struct RoomsOptions {
  eventlog::Retention default_retention{7LL * 86'400'000, 10'000, 64LL << 20};
  std::vector<RoomPattern> patterns;
  std::vector<v1::Room> static_rooms;  // Made at the start where they are missing.
  int64_t presence_grace_ms = 5'000;
  int32_t presence_count_threshold = 200;  // Above it presence is counts only.
  int64_t metrics_interval_ms = 5'000;
  int64_t lease_ms = 10'000;
  int64_t dedup_window_ms = 600'000;
  int64_t max_payload_bytes = 64 << 10;
  int32_t max_pending_notifications = 1'000;
  int64_t notification_ttl_ms = 86'400'000;
  // What a session may have been sent of its user's inbox without acknowledging it, about.
  int64_t notification_window_bytes = 128 << 10;
  // Appends that wait for their commit; beyond it publishes get UNAVAILABLE.
  int64_t max_inflight_bytes = 64LL << 20;
  // Newest records of each room in memory, and the bound over all rooms.
  size_t cache_records = 1'000;
  size_t cache_bytes = 256 << 10;
  size_t total_cache_bytes = 128LL << 20;
  // Requests that wait for a room's log to be opened.
  size_t max_waiting_requests = 10'000;
};

}  // namespace covet::rooms
