#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace covet::eventlog {

// That a session is in a room, for as long as its edge lives.
struct MemberLease {
  std::string incarnation;  // Of the edge that holds the session.
  std::string session_id;
  std::string user_id;
  std::string room_id;

  friend bool operator==(const MemberLease&, const MemberLease&) = default;
};

// Who was in which room, for an owner that restarts. Kept over `kill -9`, not necessarily over
// power loss; a store may lose what it was told last, for edges tell their leases again when they
// attach.
//
// Changes take effect in the order of their calls and never block. Thread-safe.
class MemberLeaseStore {
 public:
  // Runs once, on a thread of the store's choosing; must not block.
  using LoadCallback = std::function<void(absl::StatusOr<std::vector<MemberLease>>)>;

  virtual ~MemberLeaseStore() = default;
  // Replaces the lease of that session in that room.
  virtual void Upsert(MemberLease lease) = 0;
  virtual void Remove(std::string session_id, std::string room_id) = 0;
  virtual void RemoveSession(std::string session_id) = 0;
  virtual void RemoveIncarnation(std::string incarnation) = 0;
  // All leases, in no order, after the changes called before.
  virtual void LoadAll(LoadCallback done) = 0;
  // Changes that never reached the store, since it was opened.
  virtual int64_t lost() const = 0;
};

}  // namespace covet::eventlog
