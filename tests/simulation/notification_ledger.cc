#include "tests/simulation/notification_ledger.h"

namespace covet::sim {
namespace {

// From the owner's word to the reader's: a link's delay and a thread's.
constexpr int64_t kSlackMs = 20;

}  // namespace

void NotificationLedger::NoteAccepted(const std::string& user_id, const std::string& id,
                                      int64_t expires_ms) {
  inboxes_[user_id].accepted[id] = expires_ms;
}

void NotificationLedger::NoteAcknowledged(const std::string& user_id, const std::string& id) {
  inboxes_[user_id].acknowledged.insert(id);
}

std::string NotificationLedger::CheckReceived(const std::string& user_id, const std::string& id,
                                              std::set<std::string>& seen, int64_t now_ms) {
  if (!seen.insert(id).second) return id + " came twice on one connection";
  Inbox& inbox = inboxes_[user_id];
  ++received_;
  if (!inbox.received.insert(id).second) ++repeated_;
  const auto accepted = inbox.accepted.find(id);
  const bool ends = accepted != inbox.accepted.end() && accepted->second != 0;
  if (ends && now_ms > accepted->second + kSlackMs) return id + " came after its end";
  return "";
}

std::string NotificationLedger::CheckRead(const std::string& user_id, const std::string& id) const {
  const auto inbox = inboxes_.find(user_id);
  if (inbox != inboxes_.end() && inbox->second.acknowledged.contains(id)) return "";
  return id + " is told to be read by nobody";
}

std::string NotificationLedger::CheckEnd(int32_t max_pending) const {
  for (const auto& [user_id, inbox] : inboxes_) {
    if (inbox.accepted.size() > static_cast<size_t>(max_pending)) continue;
    for (const auto& [id, expires_ms] : inbox.accepted) {
      if (expires_ms == 0 && !inbox.received.contains(id)) return id + " never came to " + user_id;
    }
  }
  return "";
}

}  // namespace covet::sim
