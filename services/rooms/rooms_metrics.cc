#include "services/rooms/rooms_metrics.h"

namespace covet::rooms {

RoomsMetrics::RoomsMetrics(metrics::Registry* registry) : log_(registry, "rooms") {
  const auto counter = [&](const char* name, const char* help, Value value) {
    registrations_.push_back(registry->AddCallbackCounter(
        name, help, {},
        [values = values_, value] { return static_cast<double>((*values)[value]); }));
  };
  const auto gauge = [&](const char* name, const char* help, Value value) {
    registrations_.push_back(registry->AddCallbackGauge(name, help, {}, [values = values_, value] {
      return static_cast<double>((*values)[value]);
    }));
  };
  counter("covet_rooms_messages_total", "Messages committed.", kPublished);
  counter("covet_rooms_duplicates_total", "Publishes whose idempotency key was known.",
          kDuplicates);
  counter("covet_rooms_joins_total", "Joins by sessions.", kJoins);
  counter("covet_rooms_link_items_total", "Events for edges.", kLinkItems);
  counter("covet_rooms_link_dropped_total",
          "Events dropped for want of credit; edges read them back.", kLinkDropped);
  counter("covet_rooms_leases_expired_total", "Edges that stopped beating.", kLeasesExpired);
  counter("covet_rooms_notifications_total", "Notifications sent.", kNotifications);
  gauge("covet_rooms_rooms", "Rooms that exist.", kRooms);
  gauge("covet_rooms_sessions", "Live sessions.", kSessions);
  gauge("covet_rooms_edges", "Edges with a lease.", kEdges);
  gauge("covet_rooms_inflight_bytes", "Published and not yet committed.", kInflightBytes);
  gauge("covet_rooms_inflight_limit_bytes", "Beyond it publishes are refused.", kInflightLimit);
}

void RoomsMetrics::Copy(const RoomsCore& core) {
  const RoomsCounters& counters = core.counters();
  Values& values = *values_;
  values[kPublished] = counters.published;
  values[kDuplicates] = counters.duplicates;
  values[kJoins] = counters.joins;
  values[kLinkItems] = counters.link_items;
  values[kLinkDropped] = counters.link_dropped;
  values[kLeasesExpired] = counters.leases_expired;
  values[kNotifications] = counters.notifications;
  values[kRooms] = static_cast<int64_t>(core.room_count());
  values[kSessions] = static_cast<int64_t>(core.session_count());
  values[kEdges] = static_cast<int64_t>(core.edge_count());
  values[kInflightBytes] = core.inflight_bytes();
  values[kInflightLimit] = core.max_inflight_bytes();
}

}  // namespace covet::rooms
