#include "edge/session/pending_notifications.h"

#include <algorithm>
#include <charconv>
#include <utility>

namespace covet::edge {
namespace {

// What tells these pings from others.
constexpr char kMark = 'n';

std::string PayloadOf(uint32_t number) { return kMark + std::to_string(number); }

std::optional<uint32_t> NumberOf(std::string_view payload) {
  if (payload.size() < 2 || payload.front() != kMark) return std::nullopt;
  uint32_t number = 0;
  const char* end = payload.data() + payload.size();
  const auto [stop, error] = std::from_chars(payload.data() + 1, end, number);
  if (error != std::errc() || stop != end) return std::nullopt;
  return number;
}

}  // namespace

bool PendingNotifications::Add(std::string_view notification_id) {
  const bool known = std::any_of(pending_.begin(), pending_.end(), [&](const Pending& pending) {
    return pending.notification_id == notification_id;
  });
  if (known) return false;
  if (pending_.size() >= kMaxPending) pending_.erase(pending_.begin());
  pending_.push_back({next_number_++, std::string(notification_id)});
  explicit_allowed_ = std::min<uint32_t>(explicit_allowed_ + 1, kMaxPending);
  return true;
}

std::optional<std::string> PendingNotifications::TakePing() {
  if (pinged_ != 0 || pending_.empty()) return std::nullopt;
  pinged_ = pending_.back().number;
  return PayloadOf(pinged_);
}

std::optional<std::string> PendingNotifications::RepeatPing() const {
  if (pinged_ == 0) return std::nullopt;
  return PayloadOf(pinged_);
}

std::vector<std::string> PendingNotifications::OnPong(std::string_view payload) {
  const std::optional<uint32_t> number = NumberOf(payload);
  // A pong that nobody asked for may say anything.
  if (!number || pinged_ == 0 || *number > pinged_) return {};
  if (*number == pinged_) pinged_ = 0;
  const auto end = std::find_if(pending_.begin(), pending_.end(),
                                [&](const Pending& pending) { return pending.number > *number; });
  std::vector<std::string> acknowledged;
  acknowledged.reserve(static_cast<size_t>(end - pending_.begin()));
  for (auto it = pending_.begin(); it != end; ++it) {
    acknowledged.push_back(std::move(it->notification_id));
  }
  pending_.erase(pending_.begin(), end);
  if (pending_.empty()) std::vector<Pending>().swap(pending_);
  return acknowledged;
}

bool PendingNotifications::Acknowledge(std::string_view notification_id) {
  std::erase_if(pending_,
                [&](const Pending& pending) { return pending.notification_id == notification_id; });
  if (explicit_allowed_ == 0) return false;
  --explicit_allowed_;
  return true;
}

}  // namespace covet::edge
