#include "services/rooms/domain/presence.h"

#include <algorithm>

namespace covet::rooms {

bool Presence::Add(const std::string& user_id, const std::string& session_id) {
  const auto [it, inserted] = users_.try_emplace(user_id);
  auto& sessions = it->second.sessions;
  if (std::find(sessions.begin(), sessions.end(), session_id) == sessions.end()) {
    sessions.push_back(session_id);
  }
  return inserted;
}

void Presence::Remove(const std::string& user_id, std::string_view session_id, int64_t now_ms,
                      int64_t grace_ms) {
  const auto it = users_.find(user_id);
  if (it == users_.end()) return;
  User& user = it->second;
  const auto session = std::find(user.sessions.begin(), user.sessions.end(), session_id);
  if (session == user.sessions.end()) return;
  user.last_session_id = std::move(*session);
  user.sessions.erase(session);
  if (!user.sessions.empty()) return;
  user.gone_at_ms = now_ms + grace_ms;
  const auto place = std::upper_bound(dues_.begin(), dues_.end(), user.gone_at_ms,
                                      [](int64_t at, const Due& due) { return at < due.at_ms; });
  dues_.insert(place, {user.gone_at_ms, user_id});
}

std::vector<Presence::Left> Presence::TakeLeft(int64_t now_ms) {
  std::vector<Left> left;
  while (!dues_.empty() && dues_.front().at_ms <= now_ms) {
    const auto it = users_.find(dues_.front().user_id);
    if (it != users_.end() && it->second.sessions.empty() && it->second.gone_at_ms <= now_ms) {
      left.push_back({it->first, std::move(it->second.last_session_id)});
      users_.erase(it);
    }
    dues_.pop_front();
  }
  return left;
}

std::optional<int64_t> Presence::NextDue() const {
  if (dues_.empty()) return std::nullopt;
  return dues_.front().at_ms;
}

}  // namespace covet::rooms
