#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>

namespace covet::sim {

// What users were promised of notifications, held against what their clients saw. The calls that
// check return what is wrong, or nothing.
class NotificationLedger {
 public:
  // One for a user was accepted. `expires_ms` by the wall clock; 0 for long after the story.
  void NoteAccepted(const std::string& user_id, const std::string& id, int64_t expires_ms);
  // A client of the user acknowledges one.
  void NoteAcknowledged(const std::string& user_id, const std::string& id);

  // A connection of the user got one; `seen` is what that connection got before.
  std::string CheckReceived(const std::string& user_id, const std::string& id,
                            std::set<std::string>& seen, int64_t now_ms);
  // One is told to be read, which takes someone who said so.
  std::string CheckRead(const std::string& user_id, const std::string& id) const;
  // Whether every user has had what was accepted, unless it ended or the inbox was too small.
  std::string CheckEnd(int32_t max_pending) const;

  int64_t received() const { return received_; }
  int64_t repeated() const { return repeated_; }

 private:
  struct Inbox {
    std::map<std::string, int64_t> accepted;  // With their ends.
    std::set<std::string> received;
    std::set<std::string> acknowledged;
  };
  std::map<std::string, Inbox> inboxes_;
  int64_t received_ = 0;
  int64_t repeated_ = 0;
};

}  // namespace covet::sim
