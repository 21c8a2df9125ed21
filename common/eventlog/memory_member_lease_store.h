#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "common/eventlog/member_lease_store.h"

namespace covet::eventlog {

// Leases in memory, at once, for tests and simulations: LoadAll answers before it returns.
class MemoryMemberLeaseStore final : public MemberLeaseStore {
 public:
  void Upsert(MemberLease lease) override {
    const std::lock_guard lock(mutex_);
    auto key = std::make_pair(lease.session_id, lease.room_id);
    leases_[std::move(key)] = std::move(lease);
  }
  void Remove(std::string session_id, std::string room_id) override {
    const std::lock_guard lock(mutex_);
    leases_.erase({std::move(session_id), std::move(room_id)});
  }
  void RemoveSession(std::string session_id) override {
    const std::lock_guard lock(mutex_);
    std::erase_if(leases_, [&](const auto& lease) { return lease.first.first == session_id; });
  }
  void RemoveIncarnation(std::string incarnation) override {
    const std::lock_guard lock(mutex_);
    std::erase_if(leases_,
                  [&](const auto& lease) { return lease.second.incarnation == incarnation; });
  }
  void LoadAll(LoadCallback done) override {
    std::vector<MemberLease> all;
    {
      const std::lock_guard lock(mutex_);
      for (const auto& [key, lease] : leases_) all.push_back(lease);
    }
    done(std::move(all));
  }
  int64_t lost() const override { return 0; }

 private:
  std::mutex mutex_;  // Guards what follows.
  // By session and room.
  std::map<std::pair<std::string, std::string>, MemberLease> leases_;
};

}  // namespace covet::eventlog
