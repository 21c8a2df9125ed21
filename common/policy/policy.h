#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "common/base/snapshot.h"
#include "common/base/string_map.h"
#include "common/policy/action.h"
#include "covet/common/v1/common.pb.h"
#include "covet/rooms/v1/rooms.pb.h"

namespace covet::policy {

// One role of the permission table.
struct Role {
  std::string name;
  std::vector<covet::common::v1::Grant> grants;
};

// What one room grants on top of roles and scopes, ready for checking. Immutable, thread-safe.
class RoomGrants {
 public:
  RoomGrants() = default;

  // INVALID_ARGUMENT for a grant without subject or with an action other than room:read,
  // room:write, room:manage.
  static absl::StatusOr<RoomGrants> Compile(
      const google::protobuf::RepeatedPtrField<covet::rooms::v1::RoomGrant>& grants);

  // The actions that the room grants to the caller by user id or role.
  ActionMask ActionsOf(const covet::common::v1::Identity& caller) const;
  bool empty() const { return by_role_.empty() && by_user_.empty(); }

 private:
  StringMap<ActionMask> by_role_;
  StringMap<ActionMask> by_user_;
};

// The permission table: role → actions on patterns. What nothing grants is denied; the grants of
// all roles of a caller, of its credential's scopes and of the room add up, and nothing takes any
// away. No action implies another. Immutable and thread-safe; a reload makes a new one
// (PolicyStore).
class Policy {
 public:
  // Grants nothing.
  Policy() = default;

  // INVALID_ARGUMENT names the role for unknown actions, bad patterns, empty or repeated role
  // names.
  static absl::StatusOr<Policy> Compile(absl::Span<const Role> roles);

  // Whether the caller may do this. `room` are the room's own grants if `resource` is one. Expiry
  // is not looked at.
  bool Allows(const covet::common::v1::Identity& caller, Action action, std::string_view resource,
              const RoomGrants* room = nullptr) const;

  // What the caller holds on a room, as `permissions` in room_joined: some of "read", "write",
  // "manage".
  std::vector<std::string_view> RoomPermissions(const covet::common::v1::Identity& caller,
                                                std::string_view room_id,
                                                const RoomGrants* room = nullptr) const;

  bool HasRole(std::string_view name) const { return roles_.contains(name); }

 private:
  struct CompiledGrant {
    ActionMask actions;
    std::string pattern;
  };
  struct CompiledRole {
    // Granted on everything, whatever the resource: the usual case of an administrator.
    ActionMask everywhere = 0;
    // The union of `grants`, to skip them at once.
    ActionMask somewhere = 0;
    std::vector<CompiledGrant> grants;
  };

  StringMap<CompiledRole> roles_;
};

// The policy in force; SIGHUP sets a new one.
using PolicyStore = Snapshot<Policy>;

}  // namespace covet::policy
