#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "absl/status/status.h"
#include "covet/common/v1/common.pb.h"

namespace covet::policy {

// What a permission allows. The resource it is checked against:
//   room:*     the room's id
//   stream:*   `<stream_type>:<resource_id>`, e.g. `metrics:db_conn_123`
//   rpc:call   the method by its own name, e.g. `rooms.list_members`, and as the caller names it
//   file:*     the file's id; its name for an upload
//   notify:send `user:<id>`, `session:<id>`, `room:<id>` or `everyone`
enum class Action : uint8_t {
  kRoomRead,
  kRoomWrite,
  kRoomManage,  // Create, update, delete, remove members. Implies neither read nor write.
  kStreamRead,
  kStreamPublish,
  kRpcCall,
  kFileUpload,
  kFileRead,
  kNotifySend,
};
inline constexpr int kActionCount = 9;

// A set of actions, bit `1 << action` for each.
using ActionMask = uint16_t;
inline constexpr ActionMask kAllActions = (1 << kActionCount) - 1;
constexpr ActionMask MaskOf(Action action) { return ActionMask{1} << static_cast<int>(action); }

// As configuration and tokens spell it, e.g. `room:read`.
std::string_view ActionName(Action action);

// The actions that a name in a grant stands for: one, or all of them for `*`. Nothing for other
// names.
std::optional<ActionMask> ParseActions(std::string_view name);

inline constexpr int kMaxPatternBytes = 256;

// A grant in one string: `room:read:project_*`, `room:read` (on everything), `*`. Nothing for other
// text.
std::optional<covet::common::v1::Grant> ParseGrant(std::string_view text);

// Whether action and pattern are ones that a policy accepts; else INVALID_ARGUMENT saying why.
absl::Status CheckGrant(const covet::common::v1::Grant& grant);

}  // namespace covet::policy
