#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace covet::edge {

// What one session was sent and has not acknowledged, and the pings that ask for it. A ping carries
// the number of the newest notification sent before it, and its pong acknowledges that one and all
// older ones. One ping is under way at a time, so a burst of notifications costs one ping per round
// trip.
//
// Bounded: beyond kMaxPending the oldest is forgotten here, unacknowledged, and comes again on the
// user's next session. Not thread-safe.
class PendingNotifications {
 public:
  static constexpr size_t kMaxPending = 1000;

  // Remembers one that is to be sent; false if it was sent already and still waits.
  bool Add(std::string_view notification_id);
  // The payload of the ping to send now, if one is due.
  std::optional<std::string> TakePing();
  // The same ping again, if one is under way: a peer may answer only the latest of several pings
  // (RFC 6455 section 5.5.3).
  std::optional<std::string> RepeatPing() const;
  // The ids that a pong acknowledges.
  std::vector<std::string> OnPong(std::string_view payload);
  // An explicit acknowledgement. False if nothing sent on this session is left to be acknowledged
  // explicitly; each notification sent allows one.
  bool Acknowledge(std::string_view notification_id);

  size_t size() const { return pending_.size(); }

 private:
  struct Pending {
    uint32_t number;
    std::string notification_id;
  };

  uint32_t next_number_ = 1;
  uint32_t pinged_ = 0;  // The number in the ping under way; 0 for none.
  uint32_t explicit_allowed_ = 0;
  std::vector<Pending> pending_;  // By number.
};

}  // namespace covet::edge
