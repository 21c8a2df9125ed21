#pragma once

#include <boost/container/deque.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"

namespace covet::rooms {

// Who is in one room: users, each with any number of sessions. A user joins with the first session
// and leaves when the last has been gone for the grace, so that a reconnect shows nothing. Not
// thread-safe.
class Presence {
 public:
  // Returns true if this made a user join.
  bool Add(const std::string& user_id, const std::string& session_id);
  // The session is gone at `now_ms`; its user leaves at `now_ms + grace_ms` unless a session comes
  // before. With a grace of 0 the user is returned by the next TakeLeft. Unknown sessions are
  // ignored.
  void Remove(const std::string& user_id, std::string_view session_id, int64_t now_ms,
              int64_t grace_ms);
  // The users whose grace has ended, each with the last session it had.
  struct Left {
    std::string user_id;
    std::string last_session_id;
  };
  std::vector<Left> TakeLeft(int64_t now_ms);
  // When TakeLeft may next return something.
  std::optional<int64_t> NextDue() const;

  int32_t user_count() const { return static_cast<int32_t>(users_.size()); }
  bool empty() const { return users_.empty(); }

  struct User {
    std::vector<std::string> sessions;
    int64_t gone_at_ms = 0;  // When the grace ends; meaningful while `sessions` is empty.
    std::string last_session_id;
  };
  const absl::flat_hash_map<std::string, User>& users() const { return users_; }

 private:
  absl::flat_hash_map<std::string, User> users_;
  // Ends of graces, soonest first; entries that a return made void are skipped.
  struct Due {
    int64_t at_ms;
    std::string user_id;
  };
  boost::container::deque<Due> dues_;
};

}  // namespace covet::rooms
