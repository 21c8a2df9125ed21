#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "common/base/string_map.h"

namespace covet::edge {

// The rooms of one session as it has been told: where it is a member, where a join is under way,
// and the id of each room's metrics subscription. Not thread-safe.
class SessionRooms {
 public:
  // Rooms joined or being joined; what counts for the limit.
  size_t size() const { return rooms_.size(); }
  bool Contains(std::string_view room_id) const { return rooms_.contains(room_id); }

  void BeginJoin(std::string_view room_id);
  // `metrics_id` is empty for a join without metrics. Returns the id of the metrics subscription
  // that this one replaces, or empty.
  std::string Joined(std::string_view room_id, std::string_view metrics_id);
  void JoinFailed(std::string_view room_id);
  // The membership has ended. Returns the id of its metrics subscription, or empty.
  std::string Left(std::string_view room_id);
  // Ends a metrics subscription; false if there is none of this id.
  bool EndMetrics(std::string_view metrics_id);

 private:
  struct Room {
    bool joined = false;
    uint32_t joining = 0;  // Joins under way.
    std::string metrics_id;
  };

  StringMap<Room> rooms_;
};

}  // namespace covet::edge
