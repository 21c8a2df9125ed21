#include "edge/session/session_rooms.h"

#include <utility>

namespace covet::edge {

void SessionRooms::BeginJoin(std::string_view room_id) { ++rooms_[room_id].joining; }

std::string SessionRooms::Joined(std::string_view room_id, std::string_view metrics_id) {
  Room& room = rooms_[room_id];
  room.joined = true;
  --room.joining;
  return std::exchange(room.metrics_id, std::string(metrics_id));
}

void SessionRooms::JoinFailed(std::string_view room_id) {
  const auto it = rooms_.find(room_id);
  if (it == rooms_.end()) return;
  --it->second.joining;
  if (!it->second.joined && it->second.joining == 0) rooms_.erase(it);
}

std::string SessionRooms::Left(std::string_view room_id) {
  const auto it = rooms_.find(room_id);
  if (it == rooms_.end()) return {};
  it->second.joined = false;
  std::string metrics_id = std::exchange(it->second.metrics_id, {});
  if (it->second.joining == 0) rooms_.erase(it);
  return metrics_id;
}

bool SessionRooms::EndMetrics(std::string_view metrics_id) {
  for (auto& [room_id, room] : rooms_) {
    if (room.metrics_id != metrics_id || metrics_id.empty()) continue;
    room.metrics_id.clear();
    return true;
  }
  return false;
}

}  // namespace covet::edge
