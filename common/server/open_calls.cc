#include "common/server/open_calls.h"

#include <vector>

namespace covet::server {

OpenCalls::Entry OpenCalls::Add(Caller caller, std::function<void(absl::Status)> end) {
  if (caller.peer) return {};
  const std::lock_guard lock(mutex_);
  const uint64_t id = next_id_++;
  calls_.emplace(id, Call{std::move(caller), std::move(end)});
  return {this, id};
}

void OpenCalls::Remove(uint64_t id) {
  Call last;  // Goes after the lock.
  const std::lock_guard lock(mutex_);
  const auto it = calls_.find(id);
  if (it == calls_.end()) return;
  last = std::move(it->second);
  calls_.erase(it);
}

void OpenCalls::Review() {
  std::vector<std::pair<std::function<void(absl::Status)>, absl::Status>> over;
  {
    const std::lock_guard lock(mutex_);
    for (auto it = calls_.begin(); it != calls_.end();) {
      absl::Status status = authenticator_.StillHolds(it->second.caller);
      if (status.ok()) {
        ++it;
        continue;
      }
      over.emplace_back(std::move(it->second.end), std::move(status));
      it = calls_.erase(it);
    }
  }
  for (auto& [end, status] : over) end(std::move(status));
}

}  // namespace covet::server
