#include "common/policy/policy.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/policy/glob.h"

namespace covet::policy {
namespace {

using covet::common::v1::Grant;
using covet::common::v1::Identity;
using covet::rooms::v1::RoomGrant;

constexpr ActionMask kRoomActions =
    MaskOf(Action::kRoomRead) | MaskOf(Action::kRoomWrite) | MaskOf(Action::kRoomManage);

bool ScopeAllows(const Grant& scope, std::string_view action, std::string_view resource) {
  return (scope.action() == action || scope.action() == "*") &&
         GlobMatch(scope.pattern(), resource);
}

}  // namespace

absl::StatusOr<RoomGrants> RoomGrants::Compile(
    const google::protobuf::RepeatedPtrField<RoomGrant>& grants) {
  RoomGrants out;
  for (const RoomGrant& grant : grants) {
    ActionMask mask = 0;
    for (const std::string& name : grant.actions()) {
      const auto actions = ParseActions(name);
      if (!actions || (*actions & ~kRoomActions) != 0) {
        return absl::InvalidArgumentError(absl::StrCat("a room cannot grant \"", name, "\""));
      }
      mask |= *actions;
    }
    const bool by_role = grant.subject_case() == RoomGrant::kRole;
    const std::string& subject = by_role ? grant.role() : grant.user_id();
    if (subject.empty())
      return absl::InvalidArgumentError("a room grant needs a role or a user_id");
    (by_role ? out.by_role_ : out.by_user_)[subject] |= mask;
  }
  return out;
}

ActionMask RoomGrants::ActionsOf(const Identity& caller) const {
  ActionMask mask = 0;
  if (!by_user_.empty()) {
    if (const auto it = by_user_.find(caller.user_id()); it != by_user_.end()) mask |= it->second;
  }
  if (!by_role_.empty()) {
    for (const std::string& role : caller.roles()) {
      if (const auto it = by_role_.find(role); it != by_role_.end()) mask |= it->second;
    }
  }
  return mask;
}

absl::StatusOr<Policy> Policy::Compile(absl::Span<const Role> roles) {
  Policy policy;
  for (const Role& role : roles) {
    if (role.name.empty()) return absl::InvalidArgumentError("a role needs a name");
    const auto [it, inserted] = policy.roles_.try_emplace(role.name);
    if (!inserted)
      return absl::InvalidArgumentError(absl::StrCat("role \"", role.name, "\" twice"));
    CompiledRole& compiled = it->second;
    for (const Grant& grant : role.grants) {
      if (const absl::Status status = CheckGrant(grant); !status.ok()) {
        return absl::InvalidArgumentError(
            absl::StrCat("role \"", role.name, "\": ", status.message()));
      }
      const ActionMask actions = *ParseActions(grant.action());
      if (grant.pattern() == "*") {
        compiled.everywhere |= actions;
      } else {
        compiled.somewhere |= actions;
        compiled.grants.push_back({actions, grant.pattern()});
      }
    }
  }
  return policy;
}

bool Policy::Allows(const Identity& caller, Action action, std::string_view resource,
                    const RoomGrants* room) const {
  const ActionMask wanted = MaskOf(action);
  for (const std::string& name : caller.roles()) {
    const auto it = roles_.find(name);
    if (it == roles_.end()) continue;
    const CompiledRole& role = it->second;
    if (role.everywhere & wanted) return true;
    if (!(role.somewhere & wanted)) continue;
    for (const CompiledGrant& grant : role.grants) {
      if ((grant.actions & wanted) && GlobMatch(grant.pattern, resource)) return true;
    }
  }
  if (caller.scopes_size() > 0) {
    const std::string_view action_name = ActionName(action);
    for (const Grant& scope : caller.scopes()) {
      if (ScopeAllows(scope, action_name, resource)) return true;
    }
  }
  return room != nullptr && (wanted & kRoomActions) && (room->ActionsOf(caller) & wanted);
}

std::vector<std::string_view> Policy::RoomPermissions(const Identity& caller,
                                                      std::string_view room_id,
                                                      const RoomGrants* room) const {
  std::vector<std::string_view> held;
  for (const auto& [action, name] :
       {std::pair(Action::kRoomRead, "read"), std::pair(Action::kRoomWrite, "write"),
        std::pair(Action::kRoomManage, "manage")}) {
    if (Allows(caller, action, room_id, room)) held.push_back(name);
  }
  return held;
}

}  // namespace covet::policy
